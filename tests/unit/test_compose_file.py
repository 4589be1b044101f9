"""deploy/docker-compose.yml says the same as the code: processes, ports, settings, metrics; and it holds no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.services import SERVICES
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
CONTAINERS: dict[str, Any] = FILE["services"]
VALUES = dict(line.split("=", 1) for line in (DEPLOY / ".env").read_text().splitlines() if line and line[0] != "#")
SANDBOX = dict(
    line.split("=", 1) for line in (DEPLOY / "sandbox.env").read_text().splitlines() if line and line[0] != "#"
)


def port(service: str) -> int:
    """The port on which a process of the file serves /readyz."""
    return int(CONTAINERS[service]["environment"]["JEROBOAM_API_PORT" if service == "api" else "JEROBOAM_SERVICE_PORT"])


def test_every_process_has_a_container_which_starts_it() -> None:
    rooms = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert rooms == set(SERVICES)
    for room in rooms:
        assert CONTAINERS[room]["command"] == ["python", "-m", f"services.{room}"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_is_checked_confined_and_stopped_gracefully(service: str) -> None:
    found = CONTAINERS[service]
    assert found["healthcheck"]["test"] == ["CMD", "jeroboam-ready", str(port(service))]
    assert found["read_only"]
    assert found["cap_drop"] == ["ALL"]
    assert found["restart"] == "unless-stopped"
    grace = int(found["stop_grace_period"].removesuffix("s"))
    assert grace >= int(found["environment"]["JEROBOAM_SHUTDOWN_SECONDS"]) + 6, "it also flushes its events and closes"
    assert found["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    if service != "api":
        assert "ports" not in found, "several instances cannot publish one port"


@pytest.mark.parametrize("service", (*SERVICES, "migrate"))
def test_settings_exist(service: str) -> None:
    given = CONTAINERS[service]["environment"] | SANDBOX
    names = {name.removeprefix("JEROBOAM_").lower().split("__")[0] for name in given} - {"secrets_dir"}
    assert names <= set(Settings.model_fields), "unknown settings"


def test_the_sandboxs_settings_and_the_secrets_are_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = re.findall(r"\b(jeroboam_[a-z_]+)\b", (DEPLOY / "bin/jeroboam-make-secrets").read_text())
    values = {"jeroboam_database_url": "postgresql://a@b/c", "jeroboam_secret_keys": '["x"]'}
    for name in written:
        (tmp_path / name).write_text(values.get(name, "amqp://x\n"))
    for name, value in (CONTAINERS["provisioner"]["environment"] | SANDBOX).items():
        monkeypatch.setenv(name, str(value).replace("${PUBLIC_URL}", VALUES["PUBLIC_URL"]))
    monkeypatch.setenv("JEROBOAM_SECRETS_DIR", str(tmp_path))
    settings = Settings()
    assert settings.amqp_url is not None
    assert settings.cloud.password.get_secret_value() == "amqp://x"


def test_no_secret_is_written_in_the_files() -> None:
    texts = [(DEPLOY / name).read_text() for name in ("docker-compose.yml", ".env", "sandbox.env")]
    for text in texts:
        for line in text.splitlines():
            name, separator, value = re.sub(r"^\s*-?\s*", "", line).partition("=" if "=" in line.split(":")[0] else ":")
            secret = re.search(r"(?i)(password|passwd|secret_keys?|token|database_url|amqp_url)$", name.strip())
            assert not (secret and separator and value.strip()), line
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), "a URL with a password"
    assert (DEPLOY / "sandbox.password").read_text() == "secret\n", (
        "the simulated cloud's own, which its documentation names"
    )


def test_every_variable_of_the_file_has_a_value() -> None:
    assert set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "docker-compose.yml").read_text())) <= set(VALUES)


def test_every_process_is_scraped_and_every_metric_of_the_dashboard_exists() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    scraped = {name: each["port"] for job in jobs for each in job["dns_sd_configs"] for name in each["names"]}
    assert scraped == {service: port(service) for service in SERVICES}
    source = (ROOT / "shared/telemetry/metrics.py").read_text() + (
        ROOT / "services/api/middleware/request_scope.py"
    ).read_text()
    known = set(re.findall(r'"(jeroboam_\w+)"', source))
    dashboard = json.loads((DEPLOY / "grafana/dashboards/jeroboam.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    used = {name for target in targets for name in re.findall(r"jeroboam_\w+", target["expr"])}
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= known
