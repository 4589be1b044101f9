"""Debian's Prometheus, with the configuration that `jeroboam prometheus config` prints, scrapes nodes of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import yaml

from cli.prometheus import scrape_config
from sandbox.ports import free_port
from shared.db.engine import Database
from tests.support.loopback_server import serving
from tests.support.memory_api import memory_api
from tests.support.prometheus_programs import promtool
from tests.support.prometheus_server import prometheus, until
from tests.support.served_api import served


class Exporter(BaseHTTPRequestHandler):
    """One metric, as a node exporter has many."""

    def do_GET(self) -> None:
        body = b"# TYPE node_load1 gauge\nnode_load1 0.25\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def exporter() -> Iterator[int]:
    with serving(Exporter) as port:
        yield port


async def test_prometheus_scrapes_the_nodes(database: Database, database_url: str, tmp_path: Path) -> None:
    async with memory_api(database, database_url) as api:
        cluster = await api.built("c1", node_count=2)
        # One node runs, and one does not yet.
        for index, state in enumerate(("joined", "creating")):
            await api.sql(
                "UPDATE nodes SET ip_address = '127.0.0.1', state = :state "
                "WHERE cluster_id = :cluster AND role = 'worker' AND index = :index",
                cluster=cluster,
                state=state,
                index=index,
            )
        token = (await api.client.post("/v1/prometheus/tokens", json={"name": "t"})).json()["token"]
        (tmp_path / "token").write_text(f"{token}\n")
        port = free_port()
        config = tmp_path / "prometheus.yml"
        with exporter() as metrics:
            printed = scrape_config(f"http://127.0.0.1:{port}", str(tmp_path / "token"), [metrics])
            config.write_text(yaml.safe_dump(printed))
            promtool("check", "config", config)
            # As printed, but for the intervals, so that the test does not wait a minute.
            printed["scrape_configs"][0]["http_sd_configs"][0]["refresh_interval"] = "1s"
            config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, **printed}))
            async with served(api.deps, port, opened=True), prometheus(config) as client:
                (series,) = await until(client, "node_load1", lambda found: len(found) == 1)
                assert series["value"][1] == "0.25"
                labels = series["metric"]
                assert labels.pop("instance").startswith("c1-")
                assert labels == {
                    "__name__": "node_load1",
                    "job": "jeroboam",
                    "cluster": "c1",
                    "cluster_uuid": cluster,
                    "nodegroup": "default-worker",
                    "role": "worker",
                }
                assert (await api.client.delete("/v1/prometheus/tokens/t")).status_code == 204
                # A refused request is an error for Prometheus, which then keeps the targets that it knows.
                async with asyncio.timeout(30):
                    while not failures((await client.get("/metrics")).text):
                        await asyncio.sleep(0.1)


def failures(metrics: str) -> float:
    name = "prometheus_sd_http_failures_total"
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name))


def test_every_option_gives_a_configuration_that_promtool_accepts(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jprom_x")
    for ports, floating in (([], False), ([9100, 8080], True)):
        found = scrape_config("https://api.example.org/", str(tmp_path / "token"), ports, floating, "nodes")
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(found))
        assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")
    url = found["scrape_configs"][0]["http_sd_configs"][0]["url"]
    assert url == "https://api.example.org/v1/prometheus/targets?port=9100&port=8080"
