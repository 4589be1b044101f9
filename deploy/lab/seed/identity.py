"""Users, projects, roles and the catalogue of the laboratory: each found or created over Keystone's REST API.

Usage: identity.py AUTH_URL PASSWORD REGION
"""

import sys

from keystoneauth1 import adapter, identity, session

SERVICE_USERS = ("placement", "glance", "nova", "neutron", "heat", "jeroboam")
TENANTS = ("alice", "bob")
ROLES = (
    "admin",
    "member",
    "reader",
    "service",
    "heat_stack_owner",
    "heat_stack_user",
    "load-balancer_member",
)
CATALOGUE = {
    "placement": ("placement", "http://127.0.0.1:8778"),
    "glance": ("image", "http://127.0.0.1:9292"),
    "nova": ("compute", "http://127.0.0.1:8774/v2.1"),
    "neutron": ("network", "http://127.0.0.1:9696"),
    "heat": ("orchestration", "http://127.0.0.1:8004/v1/%(tenant_id)s"),
    # Jeroboam itself, where the tests start it for clients that look it up.
    "jeroboam": ("container-infra", "http://127.0.0.1:9511/v1"),
}

auth_url, password, region = sys.argv[1:4]
login = identity.V3Password(
    auth_url=auth_url,
    username="admin",
    password=password,
    project_name="admin",
    user_domain_name="Default",
    project_domain_name="Default",
)
keystone = adapter.Adapter(session.Session(login), endpoint_override=auth_url)


def ensure(kind, name, query=None, **body):
    parameters = {"name": name, **(query or {})}
    found = keystone.get(f"/{kind}s", params=parameters).json()[f"{kind}s"]
    if found:
        return found[0]["id"]
    return keystone.post(f"/{kind}s", json={kind: {"name": name, **body}}).json()[kind]["id"]


def project(name):
    return ensure("project", name, {"domain_id": "default"}, domain_id="default")


def user(name, domain="default"):
    return ensure("user", name, {"domain_id": domain}, domain_id=domain, password=password)


role_ids = {name: ensure("role", name) for name in ROLES}


def grant(scope, user_id, *names):
    for name in names:
        keystone.put(f"/{scope}/users/{user_id}/roles/{role_ids[name]}")


service = project("service")
for name in SERVICE_USERS:
    grant("projects/" + service, user(name), "admin", "service")
heat_domain = ensure("domain", "heat")
grant("domains/" + heat_domain, user("heat_domain_admin", heat_domain), "admin")
for name in TENANTS:
    grant("projects/" + project(name), user(name), "member", "reader", "load-balancer_member")

endpoints = keystone.get("/endpoints").json()["endpoints"]
present = {(item["service_id"], item["interface"]) for item in endpoints}
for name, (service_type, url) in CATALOGUE.items():
    service_id = ensure("service", name, {"type": service_type}, type=service_type)
    for interface in ("public", "internal", "admin"):
        if (service_id, interface) not in present:
            endpoint = {"service_id": service_id, "interface": interface, "url": url, "region_id": region}
            keystone.post("/endpoints", json={"endpoint": endpoint})
