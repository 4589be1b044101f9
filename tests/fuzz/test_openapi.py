"""`make fuzz`: schemathesis with all its checks against the whole of Jeroboam on the sandbox.

Rule: things exist that its requests can meet, and that its deletes and renames cannot take away: it is told their uuids
(`fuzz.toml`, written beside what schemathesis.toml says), and another name for those that it may delete. An
administrator asks where only administrators may, a node's credential where only nodes may.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from sandbox.run import Sandbox, running_sandbox
from shared.operations.node_tokens import hash_token
from tests.support.client import Client, demo_client, issue_token

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("JEROBOAM_FUZZ_EXAMPLES", "700")
ENOUGH = 20_000
# Half of the requests name what is there, the others what schemathesis makes up.
PROBABILITY = 0.5


async def things(client: Client) -> dict[str, str]:
    """A template, clusters with their nodegroups, operations and nodes; by the name of their parameter in a path."""
    template = await client.template(name="k8s", master_lb_enabled=True)
    cluster = await client.create("demo", node_count=1)
    other = await client.create("other", node_count=1)
    for each in (cluster, other):
        assert await client.settled(each) == "CREATE_COMPLETE"
    body = {"name": "extra", "node_count": 1}
    extra = await client.call("POST", f"/v1/clusters/{cluster}/nodegroups", json=body)
    assert extra.status_code == 202, extra.text
    assert await client.settled(cluster) == "UPDATE_COMPLETE"
    body = {"name": "f", "hostcluster_id": cluster, "properties": {"dns-zone": "example.org."}}
    federation = await client.call("POST", "/v1/federations", json=body)
    hook = {"name": "w", "url": "https://hooks.example.com/"}
    webhook = (await client.call("POST", "/v1/webhooks", json=hook)).json()["uuid"]
    tested = await client.call("POST", f"/v1/webhooks/{webhook}/test")
    scraper = (await client.call("POST", "/v1/prometheus/tokens", json={"name": "t"})).json()
    nodes = (await client.get(f"/v1/clusters/{other}/nodes"))["nodes"]
    return {
        "template_id": template,
        "cluster_id": cluster,
        "nodegroup_id": extra.json()["uuid"],
        "operation_id": (await client.operations(cluster))[0]["uuid"],
        "federation_id": federation.json()["uuid"],
        "webhook_id": webhook,
        "token_id": scraper["uuid"],
        "token": scraper["token"],
        "delivery_id": tested.json()["uuid"],
        "node_id": nodes[0]["uuid"],
        "project_id": (await client.get(f"/v1/clusters/{cluster}"))["project_id"],
        "resource": "Cluster",
    }


async def node_credential(sandbox: Sandbox, node: str) -> str:
    """A credential that is the node's from now on; its simulated agent is not heard any more."""
    credential = secrets.token_urlsafe(32)
    connection = await asyncpg.connect(sandbox.database_url)
    await connection.execute(
        "UPDATE nodes SET credential_hash = $2, token_hash = NULL WHERE uuid = $1", node, hash_token(credential)
    )
    await connection.close()
    return credential


def configuration(known: dict[str, str], token: str, admin: str, credential: str, scraper: str) -> str:
    """schemathesis.toml, and what is only known now. JSON's strings are TOML's."""

    def parameters(names: dict[str, str]) -> str:
        values = (
            f'"{name}" = {{ dictionary = "{which}", probability = {PROBABILITY} }}' for name, which in names.items()
        )
        return f"{{ {', '.join(values)} }}"

    def operation(pattern: str, key: str, value: str) -> str:
        return f"[[operations]]\n{pattern}\n{key} = {value}\n"

    paths = parameters({f"path.{name}": name for name in known})
    dictionaries = {**{name: [value] for name, value in known.items()}, "passing": ["passing"]}
    parts = [
        f"headers = {{ X-Auth-Token = {json.dumps(token)} }}\nparameters = {paths}\n",
        *(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in dictionaries.items()),
        (ROOT / "schemathesis.toml").read_text(),
        operation('include-path-regex = "^/v1/(quotas|mservices)"', "headers", _headers("X-Auth-Token", admin)),
        operation('include-path-regex = "^/v1/nodes/"', "headers", _headers("Authorization", f"Bearer {credential}")),
        operation(
            'include-path-regex = "^/v1/prometheus/targets$"', "headers", _headers("Authorization", f"Bearer {scraper}")
        ),
        operation('include-path-regex = "^/v1/nodes/.*/commands$"', "parameters", '{ "query.wait" = 1 }'),
        *(
            operation(f'include-name = "DELETE /v1/{path}"', "parameters", parameters({f"path.{name}": "passing"}))
            for path, name in (
                ("clusters/{cluster_id}", "cluster_id"),
                ("clustertemplates/{template_id}", "template_id"),
                ("federations/{federation_id}", "federation_id"),
                ("webhooks/{webhook_id}", "webhook_id"),
                ("prometheus/tokens/{token_id}", "token_id"),
                ("clusters/{cluster_id}/nodegroups/{nodegroup_id}", "nodegroup_id"),
            )
        ),
    ]
    return "\n".join(parts)


def _headers(name: str, value: str) -> str:
    return f"{{ {name} = {json.dumps(value)} }}"


async def test_every_check_on_every_route(tmp_path: Path) -> None:
    # Requests by the thousand make clusters by the dozen: small ones, and room for them.
    room = {
        "JEROBOAM_MAX_CLUSTERS_PER_PROJECT": "100000",
        "JEROBOAM_MAX_NODES_PER_CLUSTER": "10",
        "JEROBOAM_MAX_PROMETHEUS_TOKENS_PER_PROJECT": "100000",
        "JEROBOAM_WEBHOOKS__MAX_PER_PROJECT": "100000",
        "JEROBOAM_LIMITS__TEMPLATES_PER_PROJECT": "100000",
        "JEROBOAM_LIMITS__FEDERATIONS_PER_PROJECT": "100000",
        "JEROBOAM_LIMITS__NODEGROUPS_PER_CLUSTER": "100000",
        "JEROBOAM_LIMITS__REQUESTS_PER_NODE": "100000",
        "JEROBOAM_LIMITS__REPORTS_PER_NODE": "100000",
        "JEROBOAM_LIMITS__CHANGES_PER_NODE": "100000",
        "JEROBOAM_LIMITS__UNKNOWN_TOKENS_PER_ADDRESS": "100000",
    }
    async with running_sandbox(durable=False, extra_environment={"api": room}) as sandbox:
        async with demo_client(sandbox) as client:
            known = await things(client)
        auth_url = sandbox.layout.auth_url
        tokens = await issue_token(auth_url), await issue_token(auth_url, "admin", "admin")
        config = tmp_path / "fuzz.toml"
        scraper = known.pop("token")
        credential = await node_credential(sandbox, known["node_id"])
        config.write_text(configuration(known, *tokens, credential, scraper))
        done = await asyncio.to_thread(run_schemathesis, config, sandbox.api_url)
        report = done.stdout
        assert " SUMMARY " in report, report + done.stderr
        (count,) = re.findall(r"(\d+) generated", report)
        print(report[report.index(" SUMMARY ") :])
        assert done.returncode == 0, report
        assert int(count) >= ENOUGH
        async with httpx.AsyncClient(base_url=sandbox.api_url, trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 200


def run_schemathesis(config: Path, api_url: str) -> subprocess.CompletedProcess[Any]:
    command = [
        str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
        *("--config-file", str(config), "run", f"{api_url}/openapi.json", "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--request-timeout", "60"),
        # One worker: Python 3.11's compiler, which hypothesis asks for its messages, fails in several threads.
        *("--workers", "1", "--continue-on-failure", "--exclude-path", "/v1/events/stream", "--no-color"),
    ]
    return subprocess.run(command, cwd=config.parent, capture_output=True, text=True, timeout=3400, check=False)
