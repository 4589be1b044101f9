"""`jeroboam demo`: creates a cluster on the sandbox, gets its credentials and deletes it.

Rule: every printed value comes from the API or the cloud, and a failed check makes the exit status nonzero. What only
this command needs is imported when it runs.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli.api import Api, ApiError
from cli.clusters import COLUMNS, write_config
from cli.demo_engines import ENGINES, DemoEngine, Written, checked
from cli.demo_receiver import DemoReceiver
from cli.output import Format, console, few, show_rows
from cli.requests import delete_and_watch
from cli.state import failures_as_words
from cli.watch import latest_operation, watch
from cli.work import summary
from sandbox.layout import PASSWORD

if TYPE_CHECKING:
    from sandbox.run import Sandbox

MASTERS = 3


def demo(
    nodes: Annotated[int, typer.Option(min=4, max=1000, help="total number of nodes, including 3 masters")] = 100,
    engine: Annotated[str, typer.Option(help=f"what the cluster runs: {', '.join(ENGINES)}")] = "kubernetes",
) -> None:
    """Create a cluster on the sandbox, get its credentials, delete it, and check that nothing is left."""
    with failures_as_words():
        if engine not in ENGINES:
            raise ApiError(f"--engine {engine!r} is none of {', '.join(ENGINES)}")
        asyncio.run(_demo(nodes, engine))


async def _demo(nodes: int, engine: str) -> None:
    from sandbox.run import running_sandbox

    began = time.monotonic()
    _say("Starting the sandbox (PostgreSQL, a simulated OpenStack, Jeroboam's services)")
    chosen = ENGINES[engine]
    async with running_sandbox(beta_drivers=chosen.beta) as sandbox:
        print(f"  ready after {time.monotonic() - began:.1f} s; API at {sandbox.api_url}/v1")
        await asyncio.to_thread(_main_job, sandbox, nodes, engine)
    print(f"\nDemo passed in {time.monotonic() - began:.0f} s.")


def _main_job(sandbox: Sandbox, nodes: int, engine: str) -> None:
    from shared.cloud.user_session import UserSession

    os.environ["OS_CLIENT_CONFIG_FILE"] = str(sandbox.layout.clouds_file)
    api = Api(UserSession("jeroboam"))
    _say("Creating a template")
    template = api.post("/v1/clustertemplates", ENGINES[engine].template(engine))
    print(f"  {template['name']}  {template['uuid']}")
    receiver = DemoReceiver()
    with receiver.running():
        _say("Creating a webhook; events arrive at a receiver that the demo runs")
        webhook = api.post("/v1/webhooks", {"name": "demo", "url": receiver.url, "ordered": True})
        receiver.secret = webhook["secret"]
        print(f"  {webhook['url']}  {webhook['uuid']}")
        _cluster(sandbox, api, template["uuid"], nodes, receiver, ENGINES[engine])
    api.delete(f"/v1/webhooks/{webhook['uuid']}")
    api.delete(f"/v1/clustertemplates/{template['uuid']}")


def _cluster(sandbox: Sandbox, api: Api, template: str, nodes: int, receiver: DemoReceiver, engine: DemoEngine) -> None:
    _say(f"Creating a {engine.title} cluster of {MASTERS} masters and {nodes - MASTERS} workers")
    body = {"name": "demo", "cluster_template_id": template, "master_count": MASTERS}
    uuid = api.post("/v1/clusters", body | {"node_count": nodes - MASTERS})["uuid"]
    operation = latest_operation(api, uuid)
    if operation is None:
        raise ApiError(f"cluster {uuid} no longer exists")
    ended = watch(api, operation["uuid"])
    if ended["state"] != "succeeded":
        raise ApiError(f"the create {ended['state']}: {ended['reason']}")
    show_rows(api.pages("/v1/clusters", "clusters"), COLUMNS, Format.TABLE)
    _show_steps(ended)
    _say("Credentials")
    with tempfile.TemporaryDirectory(prefix="jeroboam-demo-") as directory:
        paths, environment = write_config(api, uuid, Path(directory), force=False)
        for line in checked(engine, api, uuid, Written({path.name: path for path in paths}, environment)):
            print(f"  {line}")
    _say("Event log (node events are counted)")
    events = api.pages("/v1/events", "events", cluster=uuid)
    _show_timeline(events)
    receiver.wait_for({event["id"] for event in events}, seconds=30)
    print(f"  {len(receiver.events)} events arrived at the webhook, all with a valid signature")
    _say("Delete")
    project = api.get(f"/v1/clusters/{uuid}")["project_id"]
    servers = [node["server_id"] for node in api.pages(f"/v1/clusters/{uuid}/nodes", "nodes")]
    api.delete(f"/v1/clusters/{uuid}")
    delete_and_watch(api, uuid)
    _check_nothing_left(sandbox, project, uuid, servers)
    events = api.pages("/v1/events", "events", cluster=uuid)
    receiver.wait_for({event["id"] for event in events}, seconds=30)


def _say(text: str) -> None:
    console().print(f"\n[bold]{text}[/bold]")


def _show_steps(operation: dict[str, Any]) -> None:
    table = Table("step", "seconds")
    for step in operation["steps"]:
        table.add_row(step["name"], f"{_seconds(step['started_at'], step['finished_at']):.1f}")
    table.add_row("from request to credentials", f"{_seconds(operation['created_at'], operation['finished_at']):.1f}")
    console().print(table)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _show_timeline(events: Sequence[dict[str, Any]]) -> None:
    """Print every event, with runs of node events as one line, and check that the sequence has no gaps."""
    # The log is in commit order; within a cluster, the order is that of the sequence.
    events = sorted(events, key=lambda event: int(event["sequence"]))
    numbers = [int(event["sequence"]) for event in events]
    if missing := sorted({*range(1, max(numbers, default=1) + 1)} - {*numbers}):
        raise ApiError(f"the cluster's event sequence has gaps: {few(missing)}")
    start = events[0]["time"]
    run: list[dict[str, Any]] = []
    for event in [*events, None]:
        if event is not None and event["type"].startswith("io.jeroboam.node."):
            run.append(event)
            continue
        if run:
            kinds = sorted({each["type"].split(".")[3] for each in run})
            counts = ", ".join(f"{sum(kind in e['type'] for e in run)} {kind}" for kind in kinds)
            print(f"  {_seconds(start, run[0]['time']):6.2f} s  nodes: {counts}")
            run = []
        if event is not None:
            print(f"  {_seconds(start, event['time']):6.2f} s  {summary(event)}")
    print(f"  {len(events)} events, numbered without a gap")


def _check_nothing_left(sandbox: Sandbox, project: str, cluster: str, servers: Sequence[str]) -> None:
    """Query the cloud as an administrator. Raises ApiError with the resources that still exist."""
    from pydantic import SecretStr

    from shared.cloud.sdk import OpenStackCloudFactory
    from shared.cloud.settings import CloudSettings

    async def leftovers() -> list[str]:
        settings = CloudSettings(
            auth_url=sandbox.layout.auth_url,
            username="jeroboam",
            password=SecretStr(PASSWORD),
        )
        clouds = OpenStackCloudFactory(settings)
        try:
            found = await clouds.for_project(project).inventory(cluster_id=cluster, server_ids=servers)
        finally:
            await clouds.close()
        return [f"{item.kind} {item.name or item.id}" for item in found]

    left = asyncio.run(leftovers())
    if left:
        raise ApiError(f"left behind in the cloud: {few(left)}")
    print(f"  nothing left behind: no stack, server, port, network or load balancer of {cluster} in the cloud")
