"""Images, flavors, the external network and key pairs; waits for the compute host and Heat's engine; writes the files
that clients and tests read.

Usage: resources.py AUTH_URL PASSWORD REGION DIRECTORY BROKER MAGNUM_DATABASE
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import openstack

FLAVORS = {  # name: vcpus, MiB, GiB
    "m1.tiny": (1, 512, 1),
    "m1.small": (1, 2048, 20),
    "m1.medium": (2, 4096, 40),
    "m1.large": (4, 8192, 80),
    "m1.diskless": (1, 2048, 0),
    "m1.impossible": (1, 2000000000, 20),  # larger than any host: for failures
}
IMAGES = {"ubuntu": "ubuntu", "fedora-coreos": "fedora-coreos", "flatcar": "flatcar", "plain": None}

auth_url, password, region = sys.argv[1:4]
directory = Path(sys.argv[4])
# oslo.messaging calls AMQP by its broker's name.
broker = sys.argv[5].replace("rabbit://", "amqp://", 1)
magnum_database = sys.argv[6]


def connect(user, project):
    return openstack.connect(
        auth_url=auth_url,
        username=user,
        password=password,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=region,
    )


def until(what, condition, seconds=180):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            sys.exit("timed out: " + what)
        time.sleep(0.5)


def images(admin):
    for name, distro in IMAGES.items():
        if admin.image.find_image(name):
            continue
        properties = {"os_distro": distro} if distro else {}
        with tempfile.NamedTemporaryFile(suffix=".img") as content:
            content.write(b"\0" * 65536)
            content.flush()
            admin.create_image(
                name,
                filename=content.name,
                disk_format="raw",
                container_format="bare",
                visibility="public",
                wait=True,
                meta={},
                **properties,
            )


def flavors(admin):
    for name, (vcpus, ram, disk) in FLAVORS.items():
        if not admin.compute.find_flavor(name):
            admin.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk, is_public=True)


def external_network(admin):
    network = admin.network.find_network("public") or admin.network.create_network(
        name="public",
        is_router_external=True,
        is_shared=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    # Floating IPs are loopback addresses, so that a test can serve something on one and nothing leaves the machine.
    if not admin.network.find_subnet("public-subnet"):
        admin.network.create_subnet(
            name="public-subnet",
            network_id=network.id,
            ip_version=4,
            cidr="127.100.0.0/16",
            gateway_ip="127.100.0.1",
            is_dhcp_enabled=False,
            allocation_pools=[{"start": "127.100.1.0", "end": "127.100.254.254"}],
        )


def write_files(projects):
    lines = ["clouds:"]
    for user, project in (("admin", "admin"), ("jeroboam", "service"), ("alice", "alice"), ("bob", "bob")):
        lines += [
            f"  {user}:",
            f"    region_name: {region}",
            "    identity_api_version: 3",
            f"    auth: {{auth_url: '{auth_url}', username: {user}, password: {password}, project_name: {project},"
            " user_domain_name: Default, project_domain_name: Default}",
        ]
    (directory / "clouds.yaml").write_text("\n".join(lines) + "\n")
    place = {
        "auth_url": auth_url,
        "service": {"username": "jeroboam", "password": password, "project_name": "service"},
        "users": {"one": "alice", "two": "bob"},
        "projects": {"one": projects["alice"], "two": projects["bob"]},
        "password": password,
        "domain": "Default",
        "notifications": broker,
        "magnum": {"configuration": str(directory / "etc/magnum.conf"), "database": magnum_database},
        "names": {
            "flavor": "m1.small",
            "impossible_flavor": "m1.impossible",
            "image": "ubuntu",
            "os_distro": "ubuntu",
            "external_network": "public",
            "keypair": "lab",
        },
    }
    (directory / "cloud.json").write_text(json.dumps(place, indent=2))


cloud = connect("admin", "admin")
images(cloud)
flavors(cloud)
external_network(cloud)
project_ids = {}
for name in ("alice", "bob"):
    tenant = connect(name, name)
    project_ids[name] = tenant.current_project_id
    if not tenant.compute.find_keypair("lab"):
        tenant.compute.create_keypair(name="lab")
needed = {"nova-compute", "nova-scheduler", "nova-conductor"}
until("Nova's services", lambda: needed <= {s.binary for s in cloud.compute.services() if s.state == "up"})
# Listed once the scheduler's periodic task has mapped the host into its cell, which is when it can be chosen.
until("the hypervisor", lambda: list(cloud.compute.hypervisors()))
until(
    "Heat's engine",
    lambda: any(s["status"] == "up" for s in cloud.orchestration.get("/services").json()["services"]),
)
write_files(project_ids)
