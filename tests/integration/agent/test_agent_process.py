"""The agent as a process against the real API over TLS, from the user data a server would get."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from jeroboam.driver import Bootstrap, Fact
from services.api.nodes import reports as usecases
from services.api.wire.errors import ApiError
from shared.db.engine import Database, notify
from shared.db.models import Node, NodeCommand, NodeFact
from shared.domain.ids import new_id
from shared.drivers.agent import bundle
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine
from shared.drivers.kubernetes.labels import DEFAULT_VERSION
from shared.operations.node_tokens import hash_token
from shared.pki.authority import make_authority
from shared.pki.node_facts import load_facts
from tests.support.agent_process import Machine

AUTH = "/var/lib/jeroboam/auth"


def joined(node: Node) -> bool:
    return node.state == "joined"


async def command(database: Database, node: str, name: str, **args: Any) -> str:
    row = NodeCommand(id=new_id(), node_id=node, name=name, args=args)
    async with database.transaction() as session:
        session.add(row)
        await notify(session, "jeroboam_commands")
    return row.id


async def result(database: Database, identifier: str) -> NodeCommand:
    async with asyncio.timeout(60):
        while True:
            async with database.transaction() as session:
                row = await session.get(NodeCommand, identifier)
            if row is not None and row.finished_at is not None:
                return row
            await asyncio.sleep(0.1)


async def test_a_node_joins(machine: Machine, bootstraps: Any, until: Any) -> None:
    nasty = "one 'quoted' $(line) \\ and `more`\nümlaut\n"
    bootstraps.script(
        'umask 077; cat "$JEROBOAM_ROOT/etc/deep/er/secret" > "$JEROBOAM_ROOT/seen"',
        {"path": "/etc/deep/er/secret", "content": nasty, "mode": "0600"},
        {"path": "/etc/it's here", "content": "", "mode": "0755"},
        after=2,
    )
    machine.boot()
    node = await until(joined)
    assert bootstraps.asked == 3, "it asked again after each 425"
    assert (node.version, node.reason, node.token_hash) == (DEFAULT_VERSION, None, None)
    assert machine.text("/seen") == nasty
    assert (machine.mode("/etc/deep/er/secret"), machine.mode("/etc/it's here")) == ("0o600", "0o755")
    assert machine.mode(AUTH) == "0o600"
    assert not machine.has("/var/lib/jeroboam/bootstrap"), "the bundle may hold keys"
    assert "the-one-time-token" not in machine.said()


async def test_the_hash_of_its_secret_is_on_its_console(
    machine: Machine, bootstraps: Any, until: Any, node: str
) -> None:
    bootstraps.script("exit 0")
    machine.write("/dev/console", b"booting", 0o600)
    machine.boot()
    await until(joined)
    secret = machine.text("/var/lib/jeroboam/proof")
    assert re.fullmatch(r"[0-9a-f]{64}", secret)
    lines = machine.text("/dev/console").splitlines()
    assert lines == ["booting", f"jeroboam-agent: {node} {hashlib.sha256(secret.encode()).hexdigest()}"]
    assert machine.mode("/var/lib/jeroboam/proof") == "0o600"


async def test_a_node_that_joined_and_did_not_write_it_down_goes_on(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    bootstraps.script('echo again >>"$JEROBOAM_ROOT/runs"')
    machine.boot()
    await until(joined)
    machine.kill()
    (machine.root / "var/lib/jeroboam/joined").unlink(missing_ok=True)
    machine.boot()
    assert not (await result(database, await command(database, node, "unknown"))).ok, "it works on"
    assert machine.has("/var/lib/jeroboam/joined")
    assert machine.text("/runs") == "again\n"


async def test_a_failed_bootstrap_tells_why_and_can_be_tried_again(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    bootstraps.script("printf 'all well\\ncannot \"pull\" a\\\\b\\tc\\001\\n' >&2; exit 3")
    machine.boot()
    failed = await until(lambda row: row.state == "failed")
    assert failed.reason == 'bootstrap ended with status 3:\nall well\ncannot "pull" a\\b c\n'
    bootstraps.script("exit 0")
    done = await result(database, await command(database, node, "bootstrap"))
    assert done.ok
    await until(joined)


async def test_a_bootstrap_that_hangs_is_ended(machine: Machine, bootstraps: Any, until: Any) -> None:
    bootstraps.script("echo started; sleep 60")
    machine.boot(BOOTSTRAP_LIMIT=1)
    failed = await until(lambda row: row.state == "failed")
    assert "started\nit took longer than 1 seconds" in failed.reason


async def test_commands_are_the_drivers_own_hooks(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    hook = '#!/bin/sh\ncat\necho once >>"$JEROBOAM_ROOT/runs"\n[ ! -e "$JEROBOAM_ROOT/refuse" ]\n'
    bootstraps.script("exit 0", {"path": "/etc/jeroboam/commands.d/drain", "content": hook, "mode": "0755"})
    machine.boot()
    await until(joined)
    done = await result(database, await command(database, node, "drain", grace=30, note="a 'b' $(c)\nd"))
    assert (done.ok, done.output) == (True, "grace=30\nnote=a 'b' $(c) d\n")
    machine.write("/refuse", b"", 0o600)
    assert not (await result(database, await command(database, node, "drain"))).ok
    assert machine.text("/runs") == "once\nonce\n"
    unknown = await result(database, await command(database, node, "../../../bin/sh"))
    assert not unknown.ok, "a name that is a path is no hook"


async def test_results_of_a_hook_come_as_data(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    hook = """#!/bin/sh
        {
            echo 'not_drained.w-1=a "quoted" \\ why = this'
            echo 'not_drained.w-2='
            echo 'no name or value'
            echo '=no name'
            echo 'a blank=x'
            printf 'bell=\\007\\n'
            printf 'long=%01001d\\n' 0
            printf 'most=%01000d\\n' 0
            printf '%0201d=x\\n' 0
            printf 'last/line=without an end'
        } >>"$JEROBOAM_RESULTS"
        printf 'all \\033[31;1mred\\033[0m\\r\\n'
    """
    many = '#!/bin/sh\nfor n in $(seq 300); do echo "n$n=x" >>"$JEROBOAM_RESULTS"; done\nexit 1\n'
    silent = "#!/bin/sh\nexit 0\n"
    hooks = {"drain": hook, "many": many, "silent": silent}
    files = [
        {"path": f"/etc/jeroboam/commands.d/{name}", "content": text, "mode": "0755"} for name, text in hooks.items()
    ]
    bootstraps.script("exit 0", *files)
    machine.boot()
    await until(joined)
    done = await result(database, await command(database, node, "drain"))
    assert done.ok
    assert done.results == {
        "not_drained.w-1": 'a "quoted" \\ why = this',
        "not_drained.w-2": "",
        "most": "0" * 1000,
        "last/line": "without an end",
    }
    assert done.output == "all red \n"
    failed = await result(database, await command(database, node, "many"))
    assert (failed.ok, len(failed.results)) == (False, 100)
    assert (await result(database, await command(database, node, "silent"))).results == {}, "not those of another one"


async def test_health_is_the_drivers_own_check(machine: Machine, bootstraps: Any, until: Any) -> None:
    hook = '#!/bin/sh\n[ -e "$JEROBOAM_ROOT/well" ] || { echo \'kubelet is "down"\'; exit 1; }\n'
    bootstraps.script("exit 0", {"path": "/etc/jeroboam/health", "content": hook, "mode": "0755"})
    machine.boot(HEARTBEAT=1)
    ill = await until(lambda row: row.health.get("healthy") is False)
    assert ill.health["reason"] == 'kubelet is "down"\n'
    machine.write("/well", b"", 0o600)
    await until(lambda row: row.health == {"healthy": True})


async def test_what_the_engine_says_of_its_members_comes_with_the_heartbeats(
    machine: Machine, bootstraps: Any, until: Any
) -> None:
    hook = "#!/bin/sh\nprintf 'api=ok\\nw-1.Ready=Unknown\\nnot a pair\\n'\n"
    bootstraps.script("exit 0", {"path": "/etc/jeroboam/states", "content": hook, "mode": "0755"})
    machine.boot(HEARTBEAT=1)
    told = await until(lambda row: "states" in row.health)
    assert told.health == {"healthy": True, "states": {"api": "ok", "w-1.Ready": "Unknown"}}


async def test_it_survives_an_api_that_goes_away(machine: Machine, bootstraps: Any, until: Any, api: Any) -> None:
    wait = 'touch "$JEROBOAM_ROOT/begun"; while [ ! -e "$JEROBOAM_ROOT/go" ]; do sleep 0.1; done'
    bootstraps.script(wait)
    machine.boot()
    await until(lambda row: row.state == "announced")
    async with asyncio.timeout(60):
        while not machine.has("/begun"):
            await asyncio.sleep(0.05)
    await api.stop()
    machine.write("/go", b"", 0o600)
    async with asyncio.timeout(60):
        while "POST /reports" not in machine.said():
            await asyncio.sleep(0.05)
    await api.start()
    await until(joined)
    assert bootstraps.asked == 1


async def test_a_bootstrap_cut_short_is_not_run(
    machine: Machine, bootstraps: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bundle.render
    answers: list[str] = []

    def cut(found: Bootstrap, revision: str) -> str:
        text = whole(found, revision)
        answers.append(text)
        return text.removesuffix(f"{bundle.COMPLETE}\n") if len(answers) == 1 else text

    monkeypatch.setattr(bundle, "render", cut)
    bootstraps.script('echo x >>"$JEROBOAM_ROOT/runs"')
    machine.boot()
    await until(joined)
    assert len(answers) == 2
    assert machine.text("/runs") == "x\n"
    assert "incomplete" in machine.said()


async def test_it_bears_with_an_api_that_is_ill(
    machine: Machine, bootstraps: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ills = [ApiError(503, "away", headers={"Retry-After": "1"}), ApiError(429, "slowly"), RuntimeError("a mistake")]
    well = usecases.report

    async def report(*arguments: Any) -> None:
        if ills:
            raise ills.pop()
        await well(*arguments)

    monkeypatch.setattr(usecases, "report", report)
    bootstraps.script("exit 0")
    machine.boot()
    await until(joined)
    assert not ills


async def test_a_node_that_gets_its_token_back_speaks_again(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    bootstraps.script("exit 1")
    machine.boot()
    await until(lambda row: row.state == "failed")
    before = machine.text(AUTH)
    async with database.transaction() as session:
        row = await session.get(Node, node)
        assert row is not None
        row.token_hash, row.credential_hash = hash_token("the-one-time-token"), None
    bootstraps.script("exit 0")
    assert (await result(database, await command(database, node, "bootstrap"))).ok
    await until(joined)
    assert machine.text(AUTH) != before


async def test_it_waits_for_an_api_that_is_not_there_yet(
    machine: Machine, bootstraps: Any, until: Any, api: Any
) -> None:
    bootstraps.script("exit 0")
    await api.stop()
    machine.boot()
    async with asyncio.timeout(60):
        while "cannot reach the API" not in machine.said():
            await asyncio.sleep(0.05)
    await api.start()
    await until(joined)


async def test_it_survives_being_killed(machine: Machine, bootstraps: Any, until: Any) -> None:
    bootstraps.script('echo x >>"$JEROBOAM_ROOT/runs"; [ -e "$JEROBOAM_ROOT/second" ] || exec sleep 60')
    machine.boot()
    async with asyncio.timeout(60):
        while not machine.has("/runs"):
            await asyncio.sleep(0.05)
    credential = machine.text(AUTH)
    machine.kill()
    machine.write("/second", b"", 0o600)
    machine.boot()
    await until(joined)
    assert machine.text(AUTH) == credential, "the token works only once"
    assert machine.text("/runs") == "x\nx\n"


async def test_it_does_not_bootstrap_again_after_a_reboot(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    bootstraps.script("exit 0")
    machine.boot()
    await until(joined)
    async with asyncio.timeout(60):
        while not machine.has("/var/lib/jeroboam/joined"):
            await asyncio.sleep(0.05)
    machine.kill()
    machine.boot()
    assert (await result(database, await command(database, node, "dance"))).ok is False
    assert bootstraps.asked == 1


async def test_a_result_that_was_not_handed_back_is_not_made_twice(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    hook = '#!/bin/sh\necho once >>"$JEROBOAM_ROOT/runs"\n'
    bootstraps.script("exit 0", {"path": "/etc/jeroboam/commands.d/reset", "content": hook, "mode": "0755"})
    identifier = new_id()
    machine.write(f"/var/lib/jeroboam/results/{identifier}", b'{"ok": true, "output": "kept"}', 0o600)
    machine.boot()
    await until(joined)
    async with database.transaction() as session:
        session.add(NodeCommand(id=identifier, node_id=node, name="reset", args={}))
        await notify(session, "jeroboam_commands")
    assert (await result(database, identifier)).output == "kept"
    assert not machine.has("/runs")


async def test_another_ca_is_not_trusted(make_machine: Any, bootstraps: Any, until: Any) -> None:
    bootstraps.script("exit 0")
    wrong = make_machine("wrong", ca_pem=make_authority("other", now=datetime.now(UTC)).public)
    wrong.boot()
    async with asyncio.timeout(60):
        while "certificate" not in wrong.said():
            await asyncio.sleep(0.05)
    assert not wrong.has(AUTH)
    node = await until(lambda row: True)
    assert (node.state, node.credential_hash) == ("creating", None), "it sent its token to nobody"


async def test_a_used_token_opens_nothing(make_machine: Any, machine: Machine, bootstraps: Any, until: Any) -> None:
    bootstraps.script("exit 0")
    machine.boot()
    await until(joined)
    thief = make_machine("thief")
    thief.boot()
    async with asyncio.timeout(60):
        while "the one-time token was refused" not in thief.said():
            await asyncio.sleep(0.05)
    assert not thief.has(AUTH)


async def test_a_node_that_is_being_removed_stops_for_good(
    machine: Machine, bootstraps: Any, until: Any, database: Database, node: str
) -> None:
    bootstraps.script("exit 0")
    machine.boot(HEARTBEAT=1)
    await until(joined)
    machine.kill()
    async with database.transaction() as session:
        row = await session.get(Node, node)
        assert row is not None
        row.state = "removing"
    machine.boot(HEARTBEAT=1)
    assert await machine.exited() == 78


@pytest.mark.parametrize("shell", ["dash", "bash"])
async def test_it_needs_no_particular_shell(shell: str, machine: Machine, bootstraps: Any, until: Any) -> None:
    bootstraps.script("exit 0", after=1)
    machine.boot(shell)
    await until(joined)


FACTS = {
    "path": "/etc/jeroboam/facts",
    "content": '#!/bin/sh\ncat "$JEROBOAM_ROOT/srv/facts"\n',
    "mode": "0755",
}


async def known_facts(api: Any, database: Database, node: str) -> dict[str, str]:
    """What the other nodes' bootstraps are given of this node."""
    async with database.transaction() as session:
        row = await session.get(Node, node)
        assert row is not None
        return (await load_facts(session, api._deps.sealer, row.cluster_id)).get(node, {})


async def test_facts_are_reported_before_joining_and_again_when_they_change(
    machine: Machine,
    bootstraps: Any,
    until: Any,
    api: Any,
    database: Database,
    node: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = {"join_token": Fact(secret=True), "zookeeper_id": Fact()}
    monkeypatch.setattr(KubernetesEngine, "facts", declared)
    token = 'SWMTKN-1-"quoted" \\\\ and=more'
    machine.write("/srv/facts", f"join_token={token}\nzookeeper_id=3\nno fact\nBad=x\n".encode(), 0o644)
    bootstraps.script("exit 0", FACTS)
    machine.boot(HEARTBEAT=1)
    await until(joined)
    assert await known_facts(api, database, node) == {"join_token": token, "zookeeper_id": "3"}
    async with database.transaction() as session:
        stored = {row.name: row for row in await session.scalars(select(NodeFact))}
    assert token.encode() not in bytes(stored["join_token"].value)
    assert (stored["join_token"].sealed, stored["zookeeper_id"].sealed) == (True, False)
    machine.write("/srv/facts", b"join_token=another\nzookeeper_id=3\n", 0o644)
    async with asyncio.timeout(30):
        while (await known_facts(api, database, node))["join_token"] != "another":
            await asyncio.sleep(0.1)
