"""The node script, the health check and the commands of DC/OS really run; what they talk to are stand-ins."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jeroboam.driver import BOOTSTRAP, WORKER, Bootstrap, NodeSpec
from jeroboam.testing.cases import Case, make_case
from shared.drivers.centos import operating_system
from shared.drivers.dcos import engine, scripts
from shared.drivers.driver import Driver
from shared.drivers.registry import get_hardware
from tests.support import mesos_masters
from tests.support.dcos_services import GENERATOR, DcosServices
from tests.support.mesos_machine import MesosMachine
from tests.support.mesos_masters import Agent, MesosMasters

CASE = make_case(Driver(engine, operating_system, get_hardware("vm")), "octavia").all_joined()


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, because the path of a socket may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="dcos-") as made:
        yield Path(made)


@pytest.fixture
def masters() -> Iterator[MesosMasters]:
    running = MesosMasters(None)
    yield running
    running.close()


@pytest.fixture
def services(directory: Path) -> Iterator[DcosServices]:
    running = DcosServices(directory / "root/run/dcos/dcos-diagnostics.sock")
    yield running
    running.close()


def machine_of(
    node: NodeSpec, directory: Path, masters: MesosMasters, services: DcosServices, case: Case = CASE
) -> MesosMachine:
    made = MesosMachine(directory, masters.ports, scripts.text("node.sh"))
    for name in ("xz", "unzip", "ipset"):
        made.program(name, "#!/bin/sh\n")
    made.program("docker", '#!/bin/sh\necho "docker $*" >>"$FAKE/calls"\n')
    found = engine.bootstrap(case.context(node))
    assert isinstance(found, Bootstrap)
    made.write(found)
    path = made.root / "etc/jeroboam/node.env"
    here = f"http://127.0.0.1:{services.port}"
    text = re.sub(r"^BOOTSTRAP_URL=.*$", f"BOOTSTRAP_URL={here}", path.read_text(), flags=re.MULTILINE)
    path.write_text(re.sub(r"^GENERATOR_URL=.*$", f"GENERATOR_URL={here}/generator.sh", text, flags=re.MULTILINE))
    made.environment |= {
        "IAM_PORT": str(services.port),
        "AGENT_PORT": str(services.port),
        "MASTER_PORT": str(masters.ports[0]),
    }
    return made


def of_role(role: str) -> NodeSpec:
    return next(node for node in CASE.nodes if node.role == role)


@pytest.fixture
def boot(directory: Path, masters: MesosMasters, services: DcosServices) -> MesosMachine:
    return machine_of(of_role(BOOTSTRAP), directory, masters, services)


@pytest.fixture
def master(directory: Path, masters: MesosMasters, services: DcosServices) -> MesosMachine:
    return machine_of(CASE.nodes[0], directory, masters, services)


@pytest.fixture
def agent(directory: Path, masters: MesosMasters, services: DcosServices) -> MesosMachine:
    return machine_of(of_role(WORKER), directory, masters, services)


def calls(machine: MesosMachine, *beginnings: str) -> list[str]:
    return [call for call in machine.calls() if call.startswith(beginnings)]


def health(machine: MesosMachine) -> str:
    done = machine.run('exec sh "$JEROBOAM_ROOT/etc/jeroboam/health"')
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.strip()


def test_the_bootstrap_machine_generates_once_and_serves(boot: MesosMachine) -> None:
    done = boot.join()
    assert done.returncode == 0, done.stderr
    assert calls(boot, "generate") == ["generate"]
    (run,) = calls(boot, "docker run")
    assert "--publish 80:80" in run and run.endswith("/genconf/serve:/usr/share/nginx/html:ro nginx:1.21")
    assert boot.join().returncode == 0
    assert calls(boot, "generate") == ["generate"], "nothing has changed"
    assert health(boot) == ""


def test_a_generator_that_is_not_what_the_label_says_is_not_run(
    directory: Path, masters: MesosMasters, services: DcosServices
) -> None:
    right = CASE.with_labels(dcos_generate_config_sha256=hashlib.sha256(GENERATOR).hexdigest())
    wrong = CASE.with_labels(dcos_generate_config_sha256="0" * 64)
    for name, case in (("a", wrong), ("b", right)):
        place = directory / name
        place.mkdir()
        made = machine_of(of_role(BOOTSTRAP), place, masters, services, case)
        done = made.join()
        assert (done.returncode == 0) is (case is right), done.stderr
        assert calls(made, "generate") == (["generate"] if case is right else [])
        assert case is right or "is not what label dcos_generate_config_sha256 says" in done.stderr


def test_a_master_is_installed_once_and_gives_users_their_account(master: MesosMachine, services: DcosServices) -> None:
    done = master.join()
    assert done.returncode == 0, done.stderr
    assert calls(master, "install") == ["install master"]
    assert services.accounts["jeroboam"]["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert master.join().returncode == 0
    assert calls(master, "install") == ["install master"], "another run changes nothing"
    assert master.run('exec sh "$JEROBOAM_ROOT/etc/jeroboam/facts"').stdout.strip() == "dcos_version=2.2.3"


def test_an_interrupted_installation_is_begun_again(master: MesosMachine) -> None:
    (master.fake / "interrupted").touch()
    done = master.join()
    assert done.returncode == 1 and "dcos_install.sh failed" in done.stderr
    (master.fake / "interrupted").unlink()
    done = master.join()
    assert done.returncode == 0, done.stderr
    assert calls(master, "install") == ["install master", "install master"]


def test_health_of_a_master(master: MesosMachine, masters: MesosMasters, services: DcosServices) -> None:
    assert health(master) == ""
    services.unhealthy = {"dcos-exhibitor.service"}
    assert health(master) == "not healthy: dcos-exhibitor.service"
    services.unhealthy, masters.recovered = set(), False
    assert "has not recovered" in health(master)
    masters.recovered, masters.leader = True, None
    assert health(master) == "no Mesos master leads"
    masters.leader = 0
    services.servers[1].shutdown()
    services.servers[1].server_close()
    assert health(master).endswith("the diagnostics API of DC/OS does not answer")


def test_an_agent_joins_with_its_attributes_and_changes_them(agent: MesosMachine, services: DcosServices) -> None:
    done = agent.join()
    assert done.returncode == 0, done.stderr
    assert calls(agent, "install") == ["install slave"]
    settings = agent.root / "var/lib/dcos/mesos-slave-common"
    given = settings.read_text()
    assert of_role(WORKER).uuid in given and "MESOS_RECONFIGURATION_POLICY=additive" in given
    applied = agent.own("attributes.applied").read_text().strip()
    assert agent.command("set-attributes", attributes=f"{applied};disk:ssd").returncode == 0
    assert "disk:ssd" in settings.read_text()
    assert calls(agent, "kill", "restart") == ["restart dcos-mesos-slave"]
    assert agent.command("set-attributes", attributes=f"{applied};disk:hdd").returncode == 0
    assert calls(agent, "kill", "restart")[1:] == [
        "kill --signal=SIGUSR1 dcos-mesos-slave",
        "restart dcos-mesos-slave",
    ]
    services.registered = False
    assert health(agent) == "the Mesos agent is not registered at a master"


def test_agents_are_drained_without_a_credential(master: MesosMachine, masters: MesosMasters) -> None:
    leaving = of_role(WORKER)
    masters.add(Agent("0a-S0", leaving.uuid))
    (removal,) = engine.drain(CASE.cluster, [leaving], CASE.nodes, seconds=1).removals
    done = master.command(removal.action.command, **removal.action.args)
    assert done.returncode == 0, done.stderr
    assert masters.agents["0a-S0"].state == mesos_masters.GONE
    assert "not_" not in done.stdout
