"""`jeroboam run`, `jeroboam migrate` and `jeroboam sandbox`.

Rule: what only one command needs is imported by that command, so that the others start without it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.api import ApiError
from cli.state import failures_as_words
from sandbox.layout import PASSWORD
from sandbox.layout import SERVICES as WORKERS
from shared.domain.errors import PermanentError

if TYPE_CHECKING:
    from sandbox.run import Sandbox
    from shared.db.engine import Database
    from shared.settings import Settings

SERVICES = ("api", *WORKERS)


def run(service: Annotated[str, typer.Argument(help=f"one of {', '.join(SERVICES)}")]) -> None:
    """Run one service in this process. Settings are read from JEROBOAM_* variables."""
    with failures_as_words():
        if service not in SERVICES:
            raise PermanentError(f"unknown service {service!r}; the services are {', '.join(SERVICES)}")
        read_settings()
        # Replace this process with the service's module, which unit files and containers also start.
        os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606


def migrate() -> None:
    """Upgrade the database of JEROBOAM_DATABASE_URL to the newest schema. It can be run repeatedly."""
    from shared.db.migrate import migrate as migrate_database

    with failures_as_words():
        asyncio.run(migrate_database(read_settings().database_url.get_secret_value()))
        print("The schema is up to date.")


@asynccontextmanager
async def operators_database() -> AsyncIterator[Database]:
    """The database of JEROBOAM_DATABASE_URL, for commands that operators use beside the API."""
    from shared.db.engine import Database

    database = Database(read_settings().database_url.get_secret_value(), application_name="jeroboam.cli", pool_size=1)
    try:
        yield database
    finally:
        await database.close()


def read_settings() -> Settings:
    """Read the settings of this process. Raises PermanentError, which names each invalid variable or file."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from shared.settings import SECRETS_DIR, Settings

    directory = os.environ.get(SECRETS_DIR)
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for each in error.errors():
            name = f"JEROBOAM_{'__'.join(map(str, each['loc'])).upper()}"
            where = f" (or the file {Path(directory, name.lower())})" if directory else ""
            lines.append(f"{name}{where}: {each['msg']}")
        raise PermanentError("settings: " + "; ".join(lines)) from None
    except SettingsError as error:
        raise PermanentError(f"{SECRETS_DIR}: {error}" if directory else f"settings: {error}") from None
    except OSError as error:
        raise PermanentError(f"{SECRETS_DIR}: {error}") from None


def sandbox(
    data_dir: Annotated[Path | None, typer.Option(help="directory for the state; by default, it is temporary")] = None,
    amqp_url: Annotated[
        str | None, typer.Option(envvar="AMQP_URL", help="URL of RabbitMQ; by default, the bus runs on Postgres")
    ] = None,
    api_port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    faults: Annotated[Path | None, typer.Option(help="fault script for the simulated cloud")] = None,
    hypervisor: Annotated[
        str, typer.Option(help="`simulated`, or `netns`: machines with real engines, as root on Debian")
    ] = "simulated",
    beta: Annotated[
        list[str] | None, typer.Option(help="beta driver to use, e.g. dcos; may be given several times")
    ] = None,
) -> None:
    """Run all of Jeroboam and a simulated OpenStack on this machine until Ctrl-C. Needs no root, broker or account."""
    with failures_as_words():
        if hypervisor not in ("simulated", "netns"):
            raise ApiError(f"--hypervisor {hypervisor!r} is neither simulated nor netns")
        options: dict[str, Any] = {
            "amqp_url": amqp_url,
            "api_port": api_port,
            "faults_file": faults,
            "hypervisor": hypervisor,
        }
        options["beta_drivers"] = beta or ()
        asyncio.run(_sandbox(data_dir.resolve() if data_dir else None, options))


async def _sandbox(data_dir: Path | None, options: dict[str, Any]) -> None:
    from sandbox.run import running_sandbox

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print("Starting the sandbox: PostgreSQL, a simulated OpenStack, and Jeroboam's services ...", flush=True)
    began = asyncio.get_running_loop().time()
    try:
        async with running_sandbox(data_dir, **options) as running:
            print(f"Ready after {asyncio.get_running_loop().time() - began:.1f} s.\n")
            print(instructions(running), flush=True)
            await stopped.wait()
            print("\nStopping ...", flush=True)
    except (RuntimeError, subprocess.SubprocessError) as error:
        raise PermanentError(str(error)) from error
    kept = f"State is kept in {data_dir}." if data_dir else "All state was deleted."
    print(f"Stopped. {kept}")


def instructions(running: Sandbox) -> str:
    """Addresses, and commands to paste into another terminal."""
    layout = running.layout
    openstack, jeroboam = (Path(sys.executable).with_name(name) for name in ("openstack", "jeroboam"))
    name, labels, then = "k8s --coe kubernetes", "", f"{jeroboam} events --follow"
    if running.has_machines:
        # Their engine is Docker; the API's floating IP is an address of this machine.
        name, labels = "swarm --coe swarm", " --labels master_lb_floating_ip_enabled=true"
        then = f'eval "$({jeroboam} cluster config demo --env)" && docker info'
    return f"""\
  API        {layout.api_url}/v1
  Keystone   {layout.auth_url}   (users demo, alt, admin; password "{PASSWORD}")
  Database   {running.database_url}
  Logs       {layout.directory / "logs"}

Another terminal:

  export OS_CLIENT_CONFIG_FILE={layout.clouds_file} OS_CLOUD=jeroboam
  {openstack} coe cluster template create {name} --image ubuntu-24.04 \\
      --external-network public --flavor m1.small --master-flavor m1.small \\
      --master-lb-enabled --floating-ip-disabled{labels}
  {openstack} coe cluster create demo --cluster-template {name.split()[0]} --master-count 3 --node-count 5
  {openstack} coe cluster list
  {then}

  TOKEN=$({openstack} token issue -f value -c id)
  curl -s -H "X-Auth-Token: $TOKEN" {layout.api_url}/v1/clusters

Press Ctrl-C to stop."""
