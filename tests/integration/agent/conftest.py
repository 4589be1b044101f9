"""The real API over TLS on loopback, a cluster's rows, and machines whose agents call it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from sqlalchemy import select

from jeroboam.driver import Bootstrap, BootstrapContext, NodeCertificate, NodeSpec, NotYet
from sandbox.ports import free_port
from services.api.app import create_app
from services.api.deps import make_deps
from shared.cloud.sdk import OpenStackCloudFactory
from shared.cloud.settings import CloudSettings
from shared.db.engine import Database
from shared.db.models import Node, Nodegroup
from shared.domain.ids import new_id
from shared.domain.states import NodeState
from shared.drivers.agent.machine import machine_setup
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine
from shared.drivers.ubuntu import operating_system
from shared.operations.node_tokens import hash_token
from shared.pki.authority import KeyMaterial, make_authority
from shared.pki.cluster_secrets import ensure_cluster_secrets
from shared.pki.sealing import Sealer, new_key
from shared.pki.signing import sign_node_request
from shared.settings import Settings
from tests.support.agent_process import Machine
from tests.support.rows import make_cluster

TOKEN = "the-one-time-token"


@dataclass
class Authority:
    """A CA and a certificate for 127.0.0.1 by it, as files."""

    material: KeyMaterial
    certificate: Path
    key: Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    now = datetime.now(UTC)
    material = make_authority("test", now=now)
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    signed = sign_node_request(
        pem,
        material,
        NodeCertificate("kubernetes", "localhost", []),
        node_name="localhost",
        addresses=["127.0.0.1"],
        now=now,
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_text(signed)
    (tmp_path / "server.key").write_bytes(private)
    return Authority(material, tmp_path / "server.pem", tmp_path / "server.key")


class Api:
    """The API on a port of its own; may be stopped the hard way and started again on the same port."""

    def __init__(self, database: Database, database_url: str, authority: Authority) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._database, self._authority = database, authority
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.settings = Settings(
            database_url=SecretStr(database_url),
            secret_keys=[SecretStr(new_key())],
            cloud=CloudSettings(auth_url="http://127.0.0.1:1", username="nobody", password=SecretStr("none")),
        )

    async def start(self) -> None:
        self._clouds = OpenStackCloudFactory(self.settings.cloud)
        self._deps = make_deps(self.settings, self._database, self._clouds)
        config = uvicorn.Config(
            create_app(self._deps),
            host="127.0.0.1",
            port=self.port,
            ssl_certfile=self._authority.certificate,
            ssl_keyfile=self._authority.key,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
        self._task = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(60):
            while not self._server.started:
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._server is None or self._task is None:
            return
        self._deps.close_waiters()
        self._server.should_exit = True
        await self._task
        await self._clouds.close()
        self._server = None


@pytest.fixture
async def api(database: Database, database_url: str, authority: Authority) -> AsyncIterator[Api]:
    api = Api(database, database_url, authority)
    await api.start()
    yield api
    await api.stop()


@dataclass
class Bootstraps:
    """What the driver answers: each in turn, the last one for ever. `asked` counts."""

    answers: list[Bootstrap | NotYet] = field(default_factory=list)
    asked: int = 0

    def script(self, text: str, *files: dict[str, str], after: int = 0) -> None:
        """Answer with a script, after `after` refusals."""
        self.answers = [NotYet("waiting for the first master", 1)] * after + [Bootstrap(text, files)]
        self.asked = 0


@pytest.fixture
def bootstraps(monkeypatch: pytest.MonkeyPatch) -> Bootstraps:
    found = Bootstraps()

    def answer(_driver: KubernetesEngine, _context: BootstrapContext) -> Bootstrap | NotYet:
        found.asked += 1
        return found.answers[min(found.asked, len(found.answers)) - 1]

    monkeypatch.setattr(KubernetesEngine, "bootstrap", answer)
    return found


@pytest.fixture
async def node(database: Database, api: Api) -> str:
    """A node that was sent to Heat; its token is TOKEN."""
    async with database.transaction() as session:
        cluster = await make_cluster(session, nodes=1)
        group = await session.scalar(select(Nodegroup.uuid).where(Nodegroup.cluster_id == cluster.uuid))
        assert group is not None
        row = Node(
            uuid=new_id(),
            cluster_id=cluster.uuid,
            nodegroup_id=group,
            name="c-master-0",
            role="master",
            index=0,
            shard=0,
            state=NodeState.CREATING,
            token_hash=hash_token(TOKEN),
            ip_address="127.0.0.1",  # from where the agent calls
        )
        session.add(row)
    await ensure_cluster_secrets(
        database,
        Sealer(api.settings.secret_keys),
        cluster_id=cluster.uuid,
        cluster_name="c",
        kinds=KubernetesEngine.secrets,
    )
    return row.uuid


MakeMachine = Callable[..., Machine]


@pytest.fixture
def make_machine(api: Api, node: str, authority: Authority, tmp_path: Path) -> Iterator[MakeMachine]:
    made: list[Machine] = []

    def make(name: str = "machine", ca_pem: str | None = None) -> Machine:
        setup = machine_setup(
            NodeSpec(node, "c-master-0", "master", 0, 0, "group"),
            programs_directory=operating_system.programs_directory,
            api_url=api.url,
            ca_pem=ca_pem or authority.material.public,
            token=TOKEN,
            ssh_public_key=None,
        )
        text = operating_system.user_data(setup)
        made.append(Machine(tmp_path / name, text))
        return made[-1]

    yield make
    for machine in made:
        machine.kill()


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    return make_machine()


Until = Callable[[Callable[[Node], bool]], Awaitable[Node]]


@pytest.fixture
def until(database: Database, node: str) -> Until:
    """Wait until the node's row is as wanted; the row then."""

    async def wait(wanted: Callable[[Node], bool]) -> Node:
        row = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(80):
                while True:
                    async with database.transaction() as session:
                        row = await session.get(Node, node)
                        assert row is not None
                    if wanted(row):
                        return row
                    await asyncio.sleep(0.1)
        raise AssertionError(f"the node stays {row.state if row else None}: {row.reason if row else None}")

    return wait
