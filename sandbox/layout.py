"""Where a sandbox keeps its things, and what it remembers from one run to the next.

Rule: everything is under one directory; ports and the envelope key are chosen once and kept in `sandbox.json`, so
that what users pasted yesterday works today.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.ports import bindable, free_port, take_port

PASSWORD = "secret"  # noqa: S105 - every user of the simulated Keystone has it


@dataclass(frozen=True, slots=True)
class Layout:
    """Ports are on loopback. `amqp_url` None: the bus is on Postgres."""

    directory: Path
    postgres_port: int
    cloud_port: int
    api_port: int
    service_ports: dict[str, int]
    secret_key: str
    amqp_url: str | None = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def auth_url(self) -> str:
        return f"http://127.0.0.1:{self.cloud_port}/identity/v3"

    @property
    def clouds_file(self) -> Path:
        return self.directory / "clouds.yaml"


SERVICES = ("provisioner", "scaler", "upgrader", "monitor", "notifier")


def load_layout(directory: Path, *, amqp_url: str | None = None, api_port: int | None = None) -> Layout:
    """The layout of a directory: the one remembered, with other ports in place of those that are taken now."""
    from shared.pki.sealing import new_key  # here, as it imports cryptography, which users of the names above need not

    directory.mkdir(parents=True, exist_ok=True)
    remembered: dict[str, object] = {}
    file = directory / "sandbox.json"
    if file.exists():
        remembered = json.loads(file.read_text())
    chosen: set[int] = set()

    def port(name: str, wanted: int | None = None) -> int:
        before = remembered.get(name)
        if wanted is not None and not bindable(wanted):
            raise RuntimeError(f"port {wanted} is in use or not allowed; choose another one")
        if wanted is not None and wanted not in chosen:
            # Whoever asks for a port by number may have claimed it for this purpose.
            found = wanted
        elif isinstance(before, int) and before not in chosen and take_port(before):
            found = before
        else:
            found = free_port()
        chosen.add(found)
        return found

    layout = Layout(
        directory=directory,
        postgres_port=port("postgres_port"),
        cloud_port=port("cloud_port"),
        api_port=port("api_port", api_port),
        service_ports={service: port(f"{service}_port") for service in SERVICES},
        secret_key=str(remembered.get("secret_key") or new_key()),
        amqp_url=amqp_url,
    )
    saved = {key: value for key, value in asdict(layout).items() if key not in ("directory", "service_ports")}
    saved |= {f"{service}_port": number for service, number in layout.service_ports.items()}
    file.touch(mode=0o600)
    file.write_text(json.dumps(saved, indent=1))
    return layout


def service_environment(layout: Layout, database_url: str) -> dict[str, str]:
    """The settings of every Jeroboam process of the sandbox."""
    environment = {
        "JEROBOAM_DATABASE_URL": database_url,
        "JEROBOAM_PUBLIC_URL": layout.api_url,
        "JEROBOAM_API_PORT": str(layout.api_port),
        "JEROBOAM_SECRET_KEYS": json.dumps([layout.secret_key]),
        # Nobody fetches it: a simulated node has no network of pods.
        "JEROBOAM_CNI_MANIFESTS": json.dumps(
            dict.fromkeys(("calico", "cilium"), "https://mirror.example.org/cni.yaml")
        ),
        "JEROBOAM_CLOUD__AUTH_URL": layout.auth_url,
        "JEROBOAM_CLOUD__USERNAME": "jeroboam",
        "JEROBOAM_CLOUD__PASSWORD": PASSWORD,
        "JEROBOAM_CLOUD__PROJECT_NAME": "service",
        "JEROBOAM_CLOUD__SERVICE_ROLES": json.dumps(["member", "load-balancer_member"]),
        # Receivers of webhooks run on this machine.
        "JEROBOAM_WEBHOOKS__ALLOW_HTTP": "true",
        "JEROBOAM_WEBHOOKS__PORTS": json.dumps(["443", "1024-65535"]),
        "JEROBOAM_WEBHOOKS__ALLOWED_NETWORKS": json.dumps(["127.0.0.0/8"]),
        # All machines reach the API from this address; what they prove is on their consoles.
        "JEROBOAM_TRUSTED_PROXIES": "[]",
        # All clients of the sandbox have this address, and benchmarks are one user.
        "JEROBOAM_LIMITS__CONNECTIONS_PER_ADDRESS": "20000",
        "JEROBOAM_LIMITS__REQUESTS_PER_USER": "100000",
        "JEROBOAM_LIMITS__REQUESTS_PER_PROJECT": "100000",
        "JEROBOAM_LOG_LEVEL": "info",
    }
    if layout.amqp_url:
        environment["JEROBOAM_AMQP_URL"] = layout.amqp_url
    return environment
