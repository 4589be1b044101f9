"""The import itself: a SQLite database of the tests' own (tests/support/magnum_database), a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pydantic import SecretStr
from sqlalchemy import select, update

from cli.magnum_import.certificates import Certificates
from cli.magnum_import.report import Line, Report
from cli.magnum_import.run import import_all
from cli.magnum_import.source import read_source
from shared.db.declarative import Base
from shared.db.engine import Database
from shared.db.models import (
    Cluster,
    ClusterSecret,
    ClusterTemplate,
    Event,
    Federation,
    Node,
    Nodegroup,
    Operation,
    Quota,
)
from shared.domain.clock import utc_now
from shared.domain.errors import PermanentError
from shared.domain.states import OperationKind, OperationState
from shared.operations.start import new_operation, start_operation
from shared.pki.cluster_secrets import as_key_material, load_cluster_secrets
from shared.pki.sealing import Sealer, new_key
from shared.pki.signing import sign_request
from tests.support.csr import make_csr
from tests.support.magnum_database import BORN, MagnumDatabase
from tests.support.rows import make_cluster

Run = Callable[..., Awaitable[Report]]
TABLES: tuple[type[Base], ...] = (ClusterTemplate, Cluster, Nodegroup, Node, ClusterSecret, Quota, Federation)


@pytest.fixture
def magnum(tmp_path: Path) -> Iterator[MagnumDatabase]:
    database = MagnumDatabase(tmp_path / "magnum.sqlite")
    yield database
    database.close()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([SecretStr(new_key())])


@pytest.fixture
async def run(magnum: MagnumDatabase, database: Database, sealer: Sealer) -> AsyncIterator[Run]:
    async def once(**options: Any) -> Report:
        source = await read_source(SecretStr(magnum.url))
        certificates = options.pop("certificates", None) or Certificates(source.key_pairs)
        return await import_all(source, database, sealer, certificates, **options)

    yield once


async def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows the import writes, but for what no reader sees (nodes have no identity of their own)."""
    found = {}
    async with database.transaction() as session:
        for table in TABLES:
            rows = (await session.execute(select(table.__table__))).mappings()
            found[table.__tablename__] = [dict(row) for row in rows]
    return found


def line(report: Report, kind: str) -> Line:
    (found,) = [line for line in report.lines if line.kind == kind]
    return found


def line_of(report: Report, uuid: str) -> Line:
    (found,) = [line for line in report.lines if line.uuid == uuid]
    return found


async def test_all_of_a_cluster_is_carried_over(
    magnum: MagnumDatabase, database: Database, sealer: Sealer, run: Run
) -> None:
    template = magnum.template(tags="a,b", docker_volume_size=5)
    uuid = magnum.cluster(template, workers=2, trust_id="t", trustee_user_id="robot", keypair="k")
    magnum.nodegroup(uuid, name="gpu", role="gpu", node_count=0, stack_id=None, status="CREATE_COMPLETE")
    report = await run()
    assert report.status == 0
    assert {line.kind: str(line.outcome) for line in report.lines} == {"template": "created", "cluster": "created"}
    assert line(report, "cluster").notes == (
        "not imported; delete in Keystone after deleting the cluster: trust t and trustee user robot",
    )
    assert line(report, "template").notes == (), "there is a driver for (vm, fedora-coreos, kubernetes)"
    async with database.transaction() as session:
        cluster = await session.scalar(select(Cluster))
        groups = list(await session.scalars(select(Nodegroup).order_by(Nodegroup.id)))
        nodes = list(await session.scalars(select(Node.ip_address)))
        secrets = await load_cluster_secrets(session, sealer, uuid)
    assert cluster is not None
    assert (cluster.uuid, cluster.driver, cluster.coe, cluster.keypair) == (uuid, "magnum-imported", "kubernetes", "k")
    assert (cluster.status, cluster.health_status, cluster.created_at) == ("CREATE_COMPLETE", "HEALTHY", BORN)
    assert cluster.stack_id == groups[0].stack_id
    assert [(group.name, group.node_count) for group in groups] == [
        ("default-master", 1),
        ("default-worker", 2),
        ("gpu", 0),
    ]
    assert sorted(address or "" for address in nodes) == ["10.0.0.5", "10.0.0.9", "10.0.0.9"]
    assert set(secrets) == {"kubernetes", "etcd", "front_proxy"}
    signed = sign_request(make_csr("me", "team"), as_key_material(secrets["kubernetes"]), now=utc_now())
    authority = x509.load_pem_x509_certificate(str(secrets["kubernetes"].certificate).encode())
    x509.load_pem_x509_certificate(signed.encode()).verify_directly_issued_by(authority)


async def test_the_first_event_of_a_cluster_says_that_it_was_imported(
    magnum: MagnumDatabase, database: Database, run: Run
) -> None:
    template = magnum.template()
    whole, keyless = magnum.cluster(template, workers=2), magnum.cluster(template, name="keyless", ca_cert_ref=None)
    magnum.cluster(template, name="busy", status="UPDATE_IN_PROGRESS")

    async def events() -> list[tuple[str | None, int | None, dict[str, Any]]]:
        async with database.transaction() as session:
            found = await session.scalars(select(Event).order_by(Event.seq))
            return [(event.cluster_id, event.sequence, event.data) for event in found]

    await run(dry_run=True)
    assert await events() == []
    await run()
    counted = {"coe": "kubernetes", "status": "CREATE_COMPLETE", "master_count": 1}
    told = {cluster: (sequence, data) for cluster, sequence, data in await events()}
    assert set(told) == {whole, keyless}
    assert told[whole][0] == 1
    assert told[whole][1].items() >= {**counted, "node_count": 2, "authority": True}.items()
    assert told[keyless][1].items() >= {**counted, "cluster_name": "keyless", "authority": False}.items()
    magnum.change("cluster", whole, status="UPDATE_COMPLETE")
    assert line_of(await run(), whole).outcome == "updated"
    assert len(await events()) == 2


async def test_a_second_run_changes_nothing(magnum: MagnumDatabase, database: Database, run: Run) -> None:
    cluster = magnum.cluster(magnum.template())
    magnum.add("quotas", project_id="p1", resource="Cluster", hard_limit=5)
    magnum.add("federation", name="f", project_id="p1", hostcluster_id=cluster, member_ids=[cluster])
    assert (await run()).counts()["federation"] == {"created": 1}
    before = await everything(database)
    report = await run()
    assert {str(line.outcome) for line in report.lines} == {"unchanged"}
    assert await everything(database) == before


async def test_a_dry_run_tells_all_and_writes_nothing(magnum: MagnumDatabase, database: Database, run: Run) -> None:
    magnum.cluster(magnum.template())
    magnum.cluster(magnum.template(), name="busy", status="UPDATE_IN_PROGRESS")
    magnum.add("quotas", project_id="p1", resource="Cluster", hard_limit=5)
    before = await everything(database)
    told = await run(dry_run=True)
    assert await everything(database) == before
    done = await run()
    assert told.lines == done.lines
    assert (told.status, done.status) == (3, 3)


async def test_what_changed_in_the_source_is_taken_unless_it_was_changed_here(
    magnum: MagnumDatabase, database: Database, run: Run
) -> None:
    template = magnum.template()
    cluster = magnum.cluster(template)
    magnum.add("quotas", project_id="p1", resource="Cluster", hard_limit=5)
    await run()
    magnum.change("cluster", cluster, status="UPDATE_COMPLETE", ca_cert_ref=magnum.authority())
    magnum.execute("DELETE FROM nodegroup WHERE role = 'worker'")
    magnum.change("cluster_template", template, name="renamed there", updated_at="2024-05-01 00:00:00")
    async with database.transaction() as session:
        await session.execute(update(ClusterTemplate).values(name="renamed here", updated_at=utc_now()))
        await session.execute(update(Quota).values(hard_limit=9, updated_at=utc_now()))
    report = await run()
    assert {line.kind: str(line.outcome) for line in report.lines} == {
        "template": "kept",
        "cluster": "updated",
        "quota": "kept",
    }
    rows = await everything(database)
    assert rows["cluster_templates"][0]["name"] == "renamed here"
    assert rows["quotas"][0]["hard_limit"] == 9
    assert [group["name"] for group in rows["nodegroups"]] == ["default-master"]
    assert {str(line.outcome) for line in (await run()).lines} == {"kept", "unchanged"}


async def test_a_cluster_that_was_worked_on_here_is_ours(magnum: MagnumDatabase, database: Database, run: Run) -> None:
    uuid = magnum.cluster(magnum.template())
    await run()
    async with database.transaction() as session:
        cluster = await session.scalar(select(Cluster))
        assert cluster is not None
        options = {"user_id": "u", "request_id": None, "timeout": timedelta(minutes=5)}
        await start_operation(session, cluster=cluster, kind=OperationKind.DELETE, **options)  # type: ignore[arg-type]
    magnum.change("cluster", uuid, name="renamed there")
    assert str(line(await run(), "cluster").outcome) == "kept"
    async with database.transaction() as session:
        await session.execute(update(Operation).values(state=OperationState.SUCCEEDED, finished_at=utc_now()))
        await session.delete(await session.scalar(select(Cluster)))
    told = line(await run(), "cluster")
    assert (str(told.outcome), told.notes) == ("kept", ("it was deleted in Jeroboam after it was imported",))
    assert (await everything(database))["clusters"] == []


async def test_a_cluster_of_our_own_is_not_touched(magnum: MagnumDatabase, database: Database, run: Run) -> None:
    async with database.transaction() as session:
        own = await make_cluster(session)
        session.add(new_operation(own, OperationKind.CREATE, OperationState.QUEUED, user_id="u", next_attempt_at=BORN))
    magnum.cluster(magnum.template(), uuid=own.uuid)
    told = line(await run(), "cluster")
    assert (str(told.outcome), told.notes) == ("refused", ("a cluster that was not imported has the same UUID",))


async def test_only_the_projects_asked_for_with_the_templates_they_need(
    magnum: MagnumDatabase, database: Database, run: Run
) -> None:
    public = magnum.template(project_id="operators", public=1)
    magnum.template(project_id="operators", name="not needed")
    magnum.cluster(public, project_id="p2", name="mine")
    magnum.cluster(public, project_id="p3", name="not mine")
    report = await run(projects={"p2"})
    assert [(line.kind, line.name) for line in report.lines] == [("template", "k8s-fcos"), ("cluster", "mine")]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "DELETE_IN_PROGRESS"}, "it is in DELETE_IN_PROGRESS: wait until Magnum has finished"),
        ({"status": "DELETE_COMPLETE"}, "it is already deleted"),
        ({"stack_id": "kube-x7a9k"}, "it is not a Heat stack but kube-x7a9k of a Cluster API driver"),
        ({"cluster_template_id": "gone"}, "its template gone is not in the database"),
    ],
)
async def test_what_cannot_be_carried_over_says_why(
    magnum: MagnumDatabase, database: Database, run: Run, values: dict[str, Any], words: str
) -> None:
    magnum.cluster(magnum.template(), **values)
    report = await run()
    told = line(report, "cluster")
    assert (str(told.outcome), report.status) == ("refused", 3)
    assert words in told.notes[0]
    assert (await everything(database))["clusters"] == []


async def test_a_nodegroup_in_progress_holds_its_cluster_back(magnum: MagnumDatabase, run: Run) -> None:
    uuid = magnum.cluster(magnum.template())
    magnum.nodegroup(uuid, name="ng", role="worker", node_count=1, status="CREATE_IN_PROGRESS", stack_id=None)
    assert "nodegroup ng is in progress" in line(await run(), "cluster").notes[0]


async def test_a_certificate_that_cannot_be_read_is_told_and_counts(
    magnum: MagnumDatabase, database: Database, run: Run
) -> None:
    wrong, other = magnum.authority(), magnum.authority()
    magnum.execute(
        "UPDATE x509keypair SET certificate = (SELECT certificate FROM x509keypair WHERE uuid = ?) WHERE uuid = ?",
        other,
        wrong,
    )
    locked = magnum.authority()
    magnum.change("x509keypair", locked, private_key_passphrase="another")
    references: dict[str, Any] = {
        "ca_cert_ref": wrong,
        "etcd_ca_cert_ref": locked,
        "front_proxy_ca_cert_ref": "nowhere",
    }
    magnum.cluster(magnum.template(), **references)
    report = await run()
    told = line(report, "cluster")
    assert (str(told.outcome), told.whole, report.status) == ("created", False, 3)
    assert "kubernetes CA was not imported: the key does not match the certificate" in told.notes[0]
    assert "etcd CA was not imported: it cannot be decrypted" in told.notes[1]
    assert "give --certificates DIRECTORY" in told.notes[2]
    assert (await everything(database))["cluster_secrets"] == []


async def test_certificates_kept_in_files_and_in_barbican(
    magnum: MagnumDatabase, database: Database, sealer: Sealer, tmp_path: Path, run: Run
) -> None:
    source = (await read_source(SecretStr(magnum.url))).key_pairs
    assert source == {}
    in_file, in_barbican = magnum.authority(), magnum.authority()
    pairs = (await read_source(SecretStr(magnum.url))).key_pairs
    for suffix, column in (("crt", "certificate"), ("key", "private_key"), ("pass", "private_key_passphrase")):
        (tmp_path / f"file-ref.{suffix}").write_text(pairs[in_file][column])
    reference = "http://barbican.example.org:9311/v1/containers/5b1c"

    class Containers:
        async def payloads(self, asked: str) -> dict[str, str]:
            if asked != reference:
                raise PermanentError("not there")
            row = pairs[in_barbican]
            return {name: row[name] for name in ("certificate", "private_key", "private_key_passphrase")}

    values: dict[str, Any] = {"ca_cert_ref": reference, "etcd_ca_cert_ref": "file-ref", "front_proxy_ca_cert_ref": None}
    uuid = magnum.cluster(magnum.template(), **values)
    report = await run(certificates=Certificates({}, Containers(), tmp_path))
    assert (report.status, line(report, "cluster").whole) == (0, True)
    assert line(report, "cluster").notes == (f"delete in Barbican after deleting the cluster: {reference}",)
    async with database.transaction() as session:
        secrets = await load_cluster_secrets(session, sealer, uuid)
    assert {name: secret.certificate for name, secret in secrets.items()} == {
        "kubernetes": pairs[in_barbican]["certificate"],
        "etcd": pairs[in_file]["certificate"],
    }


async def test_old_and_odd_rows(magnum: MagnumDatabase, database: Database, run: Run) -> None:
    """Columns of later releases are not there; Heat's rarer words; another engine; nothing named."""
    magnum.execute("ALTER TABLE cluster_template DROP COLUMN driver")
    magnum.execute("ALTER TABLE cluster DROP COLUMN trust_id")
    magnum.execute("ALTER TABLE cluster DROP COLUMN floating_ip_enabled")
    swarm = magnum.template(coe="swarm", floating_ip_enabled=0, name=None, labels=None)
    uuid = magnum.cluster(swarm, status="ROLLBACK_COMPLETE", name=None, stack_id=None, health_status_reason=None)
    magnum.add("federation", name=None, project_id="p1", hostcluster_id="gone", status="CREATE_IN_PROGRESS")
    report = await run()
    assert report.status == 0
    notes = " ".join(line(report, "cluster").notes)
    for words in ("ROLLBACK_COMPLETE is shown as UPDATE_FAILED", "has no stack", "clusters of type swarm"):
        assert words in notes
    assert "without gone, which does not exist" in line(report, "federation").notes[0]
    rows = await everything(database)
    (cluster,) = rows["clusters"]
    assert (cluster["name"], cluster["status"], cluster["floating_ip_enabled"]) == (uuid, "UPDATE_FAILED", False)
    assert rows["federations"][0]["status"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///{place}/empty.sqlite", "no table cluster_template, cluster, nodegroup"),
        ("sqlite:///{place}/nowhere.sqlite", "nowhere.sqlite: no such file"),
        ("oracle://somewhere/magnum", "oracle is not a database that Magnum supports"),
        ("no url", "is not a database URL"),
        ("postgresql://magnum:hidden@127.0.0.1:1/magnum", "postgresql+asyncpg://magnum:***@127.0.0.1:1/magnum"),
        ("mysql+pymysql://magnum:hidden@127.0.0.1:1/magnum", "mysql+pymysql://magnum:***@127.0.0.1:1/magnum"),
    ],
)
async def test_a_database_that_cannot_be_read(tmp_path: Path, url: str, words: str) -> None:
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(PermanentError) as caught:
        await read_source(SecretStr(url.format(place=tmp_path)))
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)
