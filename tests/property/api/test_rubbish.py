"""No request, whatever its bytes, is answered with a 500."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROUTES = [
    ("GET", "/v1/clusters"),
    ("GET", "/v1/clusters/detail"),
    ("POST", "/v1/clusters"),
    ("GET", "/v1/clusters/{}"),
    ("PATCH", "/v1/clusters/{}"),
    ("DELETE", "/v1/clusters/{}"),
    ("POST", "/v1/clusters/{}/actions/resize"),
    ("POST", "/v1/clusters/{}/actions/upgrade"),
    ("POST", "/v1/clusters/{}/nodegroups"),
    ("PATCH", "/v1/clusters/{}/nodegroups/{}"),
    ("DELETE", "/v1/clusters/{}/nodegroups/{}"),
    ("PATCH", "/v1/certificates/{}"),
    ("PATCH", "/v1/credentials/{}"),
    ("GET", "/v1/clusters/{}/config"),
    ("GET", "/v1/clusters/{}/nodes"),
    ("GET", "/v1/clusters/{}/nodes/{}"),
    ("GET", "/v1/clusters/{}/nodegroups"),
    ("GET", "/v1/clusters/{}/nodegroups/{}"),
    ("GET", "/v1/clusters/{}/operations"),
    ("GET", "/v1/clustertemplates"),
    ("GET", "/v1/clustertemplates/detail"),
    ("POST", "/v1/clustertemplates"),
    ("GET", "/v1/clustertemplates/{}"),
    ("PATCH", "/v1/clustertemplates/{}"),
    ("DELETE", "/v1/clustertemplates/{}"),
    ("GET", "/v1/certificates/{}"),
    ("POST", "/v1/certificates"),
    ("GET", "/v1/federations"),
    ("GET", "/v1/federations/detail"),
    ("POST", "/v1/federations"),
    ("GET", "/v1/federations/{}"),
    ("PATCH", "/v1/federations/{}"),
    ("DELETE", "/v1/federations/{}"),
    ("GET", "/v1/quotas"),
    ("POST", "/v1/quotas"),
    ("GET", "/v1/quotas/{}/{}"),
    ("PATCH", "/v1/quotas/{}/{}"),
    ("DELETE", "/v1/quotas/{}/{}"),
    ("GET", "/v1/stats"),
    ("GET", "/v1/mservices"),
    ("GET", "/v1/operations"),
    ("GET", "/v1/operations/{}"),
    ("POST", "/v1/operations/{}/retry"),
    ("POST", "/v1/operations/{}/cancel"),
    ("GET", "/v1/events"),
    ("GET", "/v1/event-types"),
    ("POST", "/v1/nodes/{}/credential"),
    ("GET", "/v1/nodes/{}/bootstrap"),
    ("POST", "/v1/nodes/{}/reports"),
    ("POST", "/v1/nodes/{}/csr"),
    ("GET", "/v1/nodes/{}/commands"),
    ("POST", "/v1/nodes/{}/commands/{}/result"),
    ("PUT", "/{}"),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=20),
    st.sampled_from(
        ["", "\x00", "a\x00b", "\ud800", "1", "f1", "i1", "n1", "key", "kubernetes", "INFINITE", "{'a': 1}", "x" * 300]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
# fmt: off
NAMES = [
    "name", "cluster_template_id", "keypair", "node_count", "master_count", "docker_volume_size", "labels",
    "merge_labels", "flavor_id", "master_flavor_id", "create_timeout", "discovery_url", "fixed_network",
    "fixed_subnet", "floating_ip_enabled", "master_lb_enabled", "coe", "image_id", "external_network_id",
    "dns_nameserver", "network_driver", "apiserver_port", "tags", "public", "hidden", "uuid", "cluster_uuid",
    "csr", "ca_cert_type", "kind", "addresses", "data", "reason", "ok", "output", "results", "server_type",
    "docker_storage_driver", "status", "hostcluster_id", "member_ids", "properties", "project_id", "resource",
    "hard_limit", "nodes_to_remove", "nodegroup", "cluster_template", "max_batch_size", "min_node_count",
    "max_node_count", "role", "node_labels", "node_taints", "health_status", "health_status_reason",
]
# fmt: on
mappings = st.dictionaries(st.sampled_from(NAMES), values, max_size=5)
# Rubbish around a sound core reaches what rubbish alone would be refused before.
SOUND = [
    {"cluster_template_id": "t1"},
    {"coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small"},
    {"cluster_uuid": "c1", "csr": "x"},
    {"kind": "joined"},
    {"hostcluster_id": "c1", "properties": {"dns-zone": "x."}},
    {"project_id": "p1"},
    {"ok": True},
    {"node_count": 2},
    {"cluster_template": "t1"},
    {"name": "more"},
]
nasty = st.one_of(
    st.sampled_from(
        [2**31, 2**63, 2**64, -(2**63), "\x00", "\ud800", "x\x00", "(", "{'a'", [], {}, ["\x00"], {"a": None}]
    ),
    st.sampled_from([{"\x00": "a"}, {"a": "\ud800"}, {"dns-zone": "\x00"}, [[]], [{}]]),
    scalars,
)
patches = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "replace", "remove", "x"]),
            "path": st.sampled_from(NAMES).map("/{}".format) | st.text(),
        },
        optional={"value": values | nasty},
    ),
    max_size=4,
)
# One wrong value in an otherwise sound body: all of its other checks pass, and this one is on its own.
spoilt = st.builds(
    lambda sound, name, value: sound | {name: value}, st.sampled_from(SOUND), st.sampled_from(NAMES), nasty
)
bodies = st.one_of(
    spoilt,
    spoilt,
    mappings,
    st.builds(lambda sound, more: more | sound, st.sampled_from(SOUND), mappings),
    patches,
    values,
)


ESCAPED = re.compile(r"(%[0-9A-F]{2})+\Z")


def _encode(body: object) -> bytes:
    return json.dumps(body).replace('"INFINITE"', "1e999").encode()


segments = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=8).map(lambda raw: "".join(f"%{byte:02X}" for byte in raw)),
    st.sampled_from(
        [
            "detail",
            "c1",
            "c1",
            "t1",
            "t1",
            "f1",
            "p1",
            "default-worker",
            "Cluster",
            "%00",
            "%ED%A0%80",
            "a" * 300,
            "0190a000-0000-7000-8000-000000000000",
        ]
    ),
)
queries = st.dictionaries(
    st.sampled_from(
        [
            "limit",
            "marker",
            "sort_key",
            "sort_dir",
            "after",
            "type",
            "cluster",
            "state",
            "hours",
            "dry_run",
            "role",
            "project_id",
            "all_tenants",
        ]
    ),
    st.text(max_size=12)
    | st.sampled_from(["1", "0", "-1", "9" * 30, "asc", "id", "name", "1-1", "9" * 25 + "-1", "true", "\x00"]),
    max_size=3,
)


def _target(pattern: str, parts: list[str], query: dict[str, str]) -> str:
    quoted = [part if ESCAPED.match(part) else quote(part, safe="", errors="surrogatepass") for part in parts]
    text = "&".join(f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in query.items())
    return pattern.format(*quoted[: pattern.count("{}")]) + (f"?{text}" if text else "")


@pytest.fixture
async def stocked(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """With a template `t1`, a cluster `c1` and a federation `f1`."""
    template = {"name": "t1", "coe": "kubernetes", "image_id": "ubuntu", "flavor_id": "small"}
    assert (await client.post("/v1/clustertemplates", json=template)).status_code == 201
    assert (await client.post("/v1/clusters", json={"name": "c1", "cluster_template_id": "t1"})).status_code == 202
    federation = {"name": "f1", "hostcluster_id": "c1", "properties": {"dns-zone": "x."}}
    assert (await client.post("/v1/federations", json=federation)).status_code == 202
    return client


@pytest.mark.parametrize(("method", "pattern"), ROUTES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.differing_executors,
    ],
)
@given(
    parts=st.lists(segments, min_size=2, max_size=2),
    query=queries,
    raw=st.one_of(bodies.map(_encode), st.binary(max_size=40)),
    media=st.sampled_from(["application/json", "application/json", "text/plain", ""]),
    version=st.sampled_from(["1.1", "1.9", "1.14", "latest"]),
    token=st.sampled_from(["user", "admin"]),
)
async def test_nothing_makes_a_500(
    stocked: httpx.AsyncClient,
    method: str,
    pattern: str,
    parts: list[str],
    query: dict[str, str],
    raw: bytes,
    media: str,
    version: str,
    token: str,
) -> None:
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": f"container-infra {version}"}
    if media:
        headers["Content-Type"] = media
    answer = await stocked.request(method, _target(pattern, parts, query), content=raw, headers=headers)
    assert answer.status_code < 500, answer.text
    # The database's own refusal is the last line; what reaches it was not checked where it should have been.
    assert "contains a value that cannot be stored" not in answer.text, answer.text
    assert answer.headers["x-openstack-request-id"].startswith("req-")
