"""Runs the simulated cloud as a process: `python -m sandbox.openstack --port P`.

Rule: it prints only log lines, is ready within two seconds, and writes its state when SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import structlog
import uvicorn

from sandbox.nodes.agent import NodeTimes
from sandbox.openstack.app import app_of, build_cloud, server_of
from sandbox.openstack.config import NETNS, SIMULATED, CloudConfig


def settings(arguments: list[str] | None = None) -> tuple[argparse.Namespace, CloudConfig]:
    """Parse the command line. Returns the arguments and the configuration."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.openstack", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--data-dir", type=Path, help="directory for the state; by default, the state is lost at the end"
    )
    parser.add_argument("--notification-url", help="RabbitMQ to which notifications are sent; by default, none are")
    parser.add_argument("--faults", type=Path, help="fault script, JSON or YAML")
    parser.add_argument("--container-infra-url", default=CloudConfig().container_infra_url)
    parser.add_argument("--token-seconds", type=int, default=3600, help="lifetime of a token")
    parser.add_argument(
        "--token-cache-seconds", type=float, default=300, help="how long services cache a validated token"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed for latencies and fault probabilities")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for all latencies")
    parser.add_argument("--parallelism", type=int, default=25, help="resources of one stack processed in parallel")
    parser.add_argument("--heartbeat", type=float, default=60.0, help="seconds between a node's heartbeats")
    parser.add_argument("--no-agents", action="store_true", help="do not run simulated node agents on servers")
    parser.add_argument(
        "--hypervisor",
        choices=(SIMULATED, NETNS),
        default=SIMULATED,
        help="what runs servers; netns needs root on Linux",
    )
    parser.add_argument("--machines-dir", type=Path, default=Path("machines"), help="files of the netns machines")
    parser.add_argument("--machines-layer", type=Path, help="files that all of these machines have")
    given = parser.parse_args(arguments)
    config = CloudConfig(
        container_infra_url=given.container_infra_url,
        token_seconds=given.token_seconds,
        token_cache_seconds=given.token_cache_seconds,
        seed=given.seed,
        scale=given.scale,
        parallelism=given.parallelism,
        data_dir=given.data_dir,
        faults_file=given.faults,
        notification_url=given.notification_url,
        agents=not given.no_agents,
        hypervisor=given.hypervisor,
        machines_layer=given.machines_layer,
        machines_directory=given.machines_dir,
        nodes=NodeTimes(heartbeat=given.heartbeat),
    )
    return given, config


def main() -> None:
    """Serve until a signal."""
    given, config = settings()
    log = structlog.get_logger("sandbox.openstack")
    cloud = build_cloud(config)
    log.info("simulated cloud starts", url=f"http://{given.host}:{given.port}", data_dir=str(given.data_dir or ""))
    asyncio.run(_serve(server_of(app_of(cloud), given.host, given.port)))
    log.info("simulated cloud ended")


async def _serve(server: uvicorn.Server) -> None:
    def stop() -> None:
        # The second signal stops immediately.
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    # Not `serve`: it handles the signals itself and then exits with an error status.
    await server._serve()
    if not server.started:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
