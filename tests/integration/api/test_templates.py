"""Cluster templates over the wire."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import text

from shared.db.engine import Database


async def test_created_listed_shown_patched_and_deleted(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    assert template["cluster_distro"] == "ubuntu"
    assert template["network_driver"] == "flannel"
    assert template["floating_ip_enabled"] is True
    assert template["volume_driver"] is None
    listed = (await user.get("/v1/clustertemplates/")).json()["clustertemplates"]
    assert listed == [template]
    assert (await user.get("/clustertemplates/k8s")).json() == template

    patch = [
        {"op": "replace", "path": "/labels", "value": "{'a': 'b'}"},
        {"op": "add", "path": "/labels/c", "value": "d"},
        {"op": "replace", "path": "/docker_volume_size", "value": "5"},
        {"op": "remove", "path": "/flavor_id"},
    ]
    answer = await user.patch("/v1/clustertemplates/k8s", json=patch)
    assert answer.status_code == 200, answer.text
    patched = answer.json()
    assert patched["labels"] == {"a": "b", "c": "d"}
    assert (patched["docker_volume_size"], patched["flavor_id"]) == (5, None)
    assert patched["updated_at"] is not None

    assert (await user.delete(f"/v1/clustertemplates/{template['uuid']}")).status_code == 204
    assert (await user.get("/v1/clustertemplates/k8s")).status_code == 404


async def test_a_template_in_use_is_protected(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    accepted = await user.post("/v1/clusters", json={"cluster_template_id": "k8s"})
    assert accepted.status_code == 202, accepted.text
    refused = await user.patch(
        "/v1/clustertemplates/k8s", json=[{"op": "replace", "path": "/coe", "value": "kubernetes"}]
    )
    assert refused.status_code == 200, "nothing changes, so nothing is refused"

    change = [{"op": "replace", "path": "/dns_nameserver", "value": "8.8.4.4"}]
    for answer in (
        await user.patch("/v1/clustertemplates/k8s", json=change),
        await user.delete("/v1/clustertemplates/k8s"),
    ):
        assert answer.status_code == 400
        expected = f"ClusterTemplate {template['uuid']} is referenced by one or multiple clusters."
        assert answer.json()["errors"][0]["detail"] == expected
    renamed = await user.patch("/v1/clustertemplates/k8s", json=[{"op": "replace", "path": "/name", "value": "new"}])
    assert renamed.json()["name"] == "new"
    nameless = await user.patch("/v1/clustertemplates/new", json=[{"op": "remove", "path": "/name"}])
    assert (nameless.status_code, nameless.json()["name"]) == (200, None), nameless.text
    listed = (await user.get("/v1/clustertemplates", params={"sort_key": "name"})).json()["clustertemplates"]
    assert None in [each["name"] for each in listed]
    named = await user.patch(
        f"/v1/clustertemplates/{template['uuid']}", json=[{"op": "add", "path": "/name", "value": "named"}]
    )
    assert named.json()["name"] == "named"


WRONG = {
    "http_proxy": [
        "proxy.example.org:3128",
        'http://proxy:1";\n',
        "http://p:1\n",
        "ftp://a.org",
        "http://a b:1",
        "http://a:99999",
        "http://a:1/path",
    ],
    "https_proxy": ["http://proxy:3128\nAcquire::x"],
    "no_proxy": ["a.org\n", "a.org b.org", 'a"b', "x" * 254],
    "insecure_registry": ["../../../etc/cron.d/x", "a.org/path", "a b", "a.org:0", "a.org\n", "http://"],
    "dns_nameserver": [
        "::1",
        "8.8.8.8,2001:db8::1",
        "8.8.8.8,8.8.8.8",
        "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6",
    ],
}
RIGHT = {
    "http_proxy": "http://user:p%22@proxy_1.example.org:3128",
    "https_proxy": "https://[2001:db8::1]:3128/",
    "no_proxy": "localhost, .example.org,*.a.org,10.0.0.0/8,[::1]:80,",
    "insecure_registry": "http://registry.example.org:5000/",
    "dns_nameserver": "8.8.8.8, 1.1.1.1",
}


async def test_texts_for_files_of_nodes_are_checked(
    user: httpx.AsyncClient, template: dict[str, Any], database: Database
) -> None:
    body = {name: template[name] for name in ("coe", "image_id", "external_network_id", "flavor_id")}
    for name, values in WRONG.items():
        for value in values:
            made = await user.post("/v1/clustertemplates", json=body | {name: value})
            patch = [{"op": "replace", "path": f"/{name}", "value": value}]
            for answer in (made, await user.patch("/v1/clustertemplates/k8s", json=patch)):
                assert (answer.status_code, name in answer.text) == (400, True), (name, value, answer.text)
    made = await user.post("/v1/clustertemplates", json=body | RIGHT)
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in RIGHT} == RIGHT

    # A template may have been stored by an earlier version.
    for name, values in WRONG.items():
        async with database.transaction() as session:
            await session.execute(
                text(f"UPDATE cluster_templates SET {name} = :value WHERE uuid = :uuid"),
                {"value": values[0], "uuid": made.json()["uuid"]},
            )
        refused = await user.post("/v1/clusters", json={"cluster_template_id": made.json()["uuid"]})
        assert refused.status_code == 400, refused.text
        assert f"field/attribute {name}." in refused.text
        renamed = [{"op": "replace", "path": "/name", "value": f"of-{name}"}]
        url = f"/v1/clustertemplates/{made.json()['uuid']}"
        assert (await user.patch(url, json=renamed)).status_code == 200, "what does not change is not checked"
        assert (await user.patch(url, json=[{"op": "remove", "path": f"/{name}"}])).status_code == 200


async def test_the_driver_follows_from_the_other_attributes(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    url = "/v1/clustertemplates/k8s"
    refused = await user.patch(url, json=[{"op": "replace", "path": "/driver", "value": "anything"}])
    assert (refused.status_code, refused.json()["errors"][0]["detail"]) == (
        400,
        "Cluster driver (anything) not supported.",
    )
    for change in (
        {"op": "replace", "path": "/driver", "value": template["driver"]},
        {"op": "remove", "path": "/driver"},
    ):
        assert (await user.patch(url, json=[change])).json()["driver"] == template["driver"]


async def test_names_have_no_line_break_at_their_end(user: httpx.AsyncClient, template: dict[str, Any]) -> None:
    named = await user.post("/v1/clusters", json={"cluster_template_id": "k8s", "name": "demo\n"})
    assert named.status_code == 400
    assert "field/attribute name. Value: 'demo" in named.text
    body = {name: template[name] for name in ("coe", "image_id", "external_network_id", "flavor_id")}
    made = await user.post("/v1/clustertemplates", json=body | {"uuid": template["uuid"][:-1] + "0\n"})
    assert made.status_code == 400
