"""What the cloud would refuse, judged without a cloud."""

from __future__ import annotations

from dataclasses import replace

from services.api.preflight.fetch import fetch
from services.api.preflight.judge import Found, Problem, Wanted, demand, judge, judge_quotas, refusal
from shared.cloud.types import Flavor, Image, Keypair, Network, QuotaLine, Subnet
from tests.support.memory_cloud import MemoryCloud

SMALL = Flavor("f1", "small", vcpus=2, ram=2048, disk=20)
BIG = Flavor("f2", "big", vcpus=8, ram=16384, disk=0)
WANTED = Wanted(
    image="ubuntu",
    flavor="small",
    master_flavor="big",
    keypair="key",
    external_network="public",
    needs_external_network=True,
    fixed_network="net",
    fixed_subnet="sub",
    master_count=3,
    node_count=10,
    boots_from_volume=True,
)
FOUND = Found(
    image=Image("i1", "ubuntu", "active", {"os_distro": "ubuntu"}),
    flavors={"small": SMALL, "big": BIG},
    keypair=Keypair("key", "ssh-rsa A"),
    external_networks=[Network("n0", "public", external=True)],
    external_network=Network("n0", "public", external=True),
    fixed_network=Network("n1", "net", external=False, subnet_ids=("s1",)),
    fixed_subnet=Subnet("s1", "sub", "n1", "10.0.0.0/24"),
)


def texts(wanted: Wanted, found: Found) -> list[str]:
    return [problem.text for problem in judge(wanted, found)]


def test_nothing_wrong() -> None:
    assert judge(WANTED, FOUND) == []


def test_everything_wrong_at_once() -> None:
    assert judge(WANTED, Found()) == [
        Problem(400, "Unable to find flavor small."),
        Problem(400, "Unable to find flavor big."),
        Problem(400, "Image ubuntu could not be found."),
        Problem(400, "Unable to find external network public."),
        Problem(400, "Unable to find fixed network net."),
        Problem(400, "Unable to find fixed subnet sub."),
        Problem(404, "Unable to find keypair key."),
    ]


def test_no_flavor_at_all() -> None:
    assert texts(replace(WANTED, flavor=None, master_flavor=None), FOUND) == ["Unable to find flavor None."]


def test_a_flavor_without_disk_needs_a_boot_volume() -> None:
    zero = "Flavor with zero root volume size is not supported when boot_volume_size is zero."
    assert texts(replace(WANTED, boots_from_volume=False), FOUND) == [zero]


def test_images() -> None:
    for image, text in (
        (Image("i", "ubuntu", "active", {}), "Image ubuntu doesn't contain os_distro field."),
        (Image("i", "ubuntu", "queued", {"os_distro": "ubuntu"}), "Image ubuntu is not active but queued."),
    ):
        assert texts(WANTED, replace(FOUND, image=image)) == [text]


def test_the_external_network_is_chosen_only_when_there_is_one() -> None:
    wanted = replace(WANTED, external_network=None)
    assert judge(wanted, FOUND) == []
    none = replace(FOUND, external_networks=[], external_network=None)
    assert texts(wanted, none) == ["An external network is needed: there is none."]
    two = replace(none, external_networks=[Network("a", "a", True), Network("b", "b", True)])
    assert texts(wanted, two) == ["An external network is needed: there are 2, name one in the cluster template."]
    assert judge(replace(wanted, needs_external_network=False), none) == []


def test_subnets_belong_to_their_network() -> None:
    other = replace(FOUND, fixed_subnet=Subnet("s9", "sub", "n9", "10.9.0.0/24"))
    assert texts(WANTED, other) == ["Fixed subnet sub does not belong to fixed network net."]
    empty = replace(FOUND, fixed_network=Network("n1", "net", external=False), fixed_subnet=None)
    assert texts(replace(WANTED, fixed_subnet=None), empty) == ["Fixed network net has no subnet."]


def test_an_ipv4_subnet_is_needed() -> None:
    ipv6 = replace(FOUND, fixed_subnet=Subnet("s6", "sub", "n1", "2001:db8::/64"))
    assert texts(WANTED, ipv6) == ["Fixed subnet sub is an IPv6 subnet, an IPv4 subnet is needed."]
    network = Network("n1", "net", external=False, subnet_ids=("s6",))
    only = replace(FOUND, fixed_network=network, fixed_subnet=None)
    assert texts(replace(WANTED, fixed_subnet=None), only) == ["Fixed network net has no IPv4 subnet."]


class DualStack(MemoryCloud):
    async def find_network(self, name: str, *, external: bool | None = None) -> Network | None:
        return Network("n1", name, bool(external), ("s6", "s4", "s5"))

    async def find_subnet(self, name: str) -> Subnet | None:
        return Subnet(name, name, "n1", "2001:db8::/64" if name == "s6" else f"10.0.{name[1]}.0/24")


async def test_of_a_dual_stack_network_the_first_ipv4_subnet_is_taken() -> None:
    found = await fetch(DualStack(), replace(WANTED, fixed_subnet=None))
    assert found.fixed_subnet == Subnet("s4", "s4", "n1", "10.0.4.0/24")
    given = await fetch(DualStack(), replace(WANTED, fixed_subnet="s6"))
    assert "Fixed subnet s6 is an IPv6" in " ".join(texts(replace(WANTED, fixed_subnet="s6"), given))


def test_a_certificate_is_no_ssh_key() -> None:
    for key in ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "ssh-rsa A\nssh-rsa B", ""):
        (problem,) = judge(WANTED, replace(FOUND, keypair=Keypair("key", key)))
        assert problem == Problem(400, "Keypair key is not an SSH key of one line, such as 'ssh-ed25519 AAAA...'.")
    sk = Keypair("key", "sk-ssh-ed25519@openssh.com AAAA+/= me at home\n")
    assert judge(WANTED, replace(FOUND, keypair=sk)) == []


def test_demand_counts_the_whole_cluster() -> None:
    assert demand(WANTED, FOUND, {"port": 2, "router": 1, "network": 0}) == {
        "instances": 13,
        "port": 15,
        "cores": 3 * 8 + 10 * 2,
        "ram": 3 * 16384 + 10 * 2048,
        "router": 1,
    }


def test_quotas_one_line_each() -> None:
    quotas = {
        "cores": QuotaLine("cores", 20, 6),
        "instances": QuotaLine("instances", -1, 500),
        "port": QuotaLine("port", 15, 0),
    }
    needed = {"cores": 15, "instances": 1000, "port": 15, "ram": 10**9}
    assert judge_quotas(needed, quotas) == [Problem(403, "Quota exceeded for cores: 15 needed, 6 of 20 in use.")]


def test_one_refusal_for_all() -> None:
    quota, missing, keypair = Problem(403, "Q."), Problem(400, "M."), Problem(404, "K.")
    assert (refusal([quota, quota]).status, refusal([quota]).detail) == (403, "Resource limit exceeded: Q.")
    assert (refusal([keypair]).status, refusal([missing, keypair]).status) == (404, 400)
    assert refusal([quota, missing]).detail == "Q. M."
