"""`jeroboam template seed`: public templates for the usual set-ups.

Rule: it can be repeated. A template that clusters refer to is never changed and never doubled; what differs is printed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.api import Api, ApiError
from cli.requests import pairs, replaced
from cli.state import failures_as_words, options

if TYPE_CHECKING:
    from shared.cloud.user_choices import Choice, UserChoices

DISTRO = "ubuntu"
_GENERATOR = "dcos_generate_config_url"  # the label that templates of DC/OS have to have
LEAST_VCPUS, LEAST_RAM, LEAST_DISK = 2, 2048, 10


@dataclass(frozen=True, slots=True)
class SetUp:
    """A template: its name, its engine, and what differs from the common fields.

    Args:
        distro: `os_distro` of its image.
        required: whether it is an error if the template cannot be created.
    """

    name: str
    coe: str
    fields: dict[str, Any] = field(default_factory=dict)
    required: bool = True
    distro: str = DISTRO


def _pair(name: str, coe: str, **fields: Any) -> list[SetUp]:
    return [SetUp(name, coe, fields), SetUp(f"{name}-ha", coe, {**fields, "master_lb_enabled": True})]


SET_UPS = [
    *_pair("swarm", "swarm"),
    *_pair("kubernetes", "kubernetes"),
    # Without certificates; the OpenStack client asks for one otherwise.
    *_pair("mesos", "mesos", tls_disabled=True),
    SetUp("dcos", "dcos", {"tls_disabled": True}, required=False, distro="centos"),
]


def seed(
    context: typer.Context,
    image: Annotated[str | None, typer.Option(help="image of all nodes; default: the only one of Ubuntu")] = None,
    image_of: Annotated[
        list[str] | None, typer.Option(help="coe=image, e.g. mesos=ubuntu-mesos; may be given several times")
    ] = None,
    flavor: Annotated[str | None, typer.Option(help="default: the smallest with 2 vCPUs, 2 GiB and 10 GiB")] = None,
    external_network: Annotated[str | None, typer.Option(help="name or ID; default: the only one")] = None,
    floating_ip: Annotated[bool, typer.Option(help="give every node a floating IP")] = False,
    dcos_generate_config_url: Annotated[
        str | None, typer.Option(help="URL of dcos_generate_config.sh, for the template dcos")
    ] = None,
) -> None:
    """Create the public templates swarm, kubernetes and mesos, each also as -ha, and update those without clusters.

    The template dcos is created if its engine, which is beta, is enabled.
    """
    from shared.cloud.user_choices import UserChoices  # it imports openstacksdk

    with failures_as_words():
        given = options(context)
        images = pairs(image_of or (), "--image-of")
        if unknown := sorted(images.keys() - {each.coe for each in SET_UPS}):
            raise ApiError(f"--image-of {unknown[0]}: there is no template of this engine")
        choices = UserChoices(given.cloud, given.region)
        common: dict[str, Any] = {
            "flavor_id": flavor or _flavor(choices),
            "external_network_id": _network(choices, external_network),
            "floating_ip_enabled": floating_ip,
            "public": True,
            # The API has a floating IP in any case.
            "labels": {"master_lb_floating_ip_enabled": "true"},
        }
        common["master_flavor_id"] = common["flavor_id"]
        api = given.api()
        chosen, missing = {}, _unavailable(api)
        if dcos_generate_config_url is None:
            missing.setdefault("dcos", "skipped; its nodes are installed from --dcos-generate-config-url")
        for each in SET_UPS:
            if each.required or each.coe not in missing:
                # `--image` is that of Ubuntu, which most of them run.
                usual = image if each.distro == DISTRO else None
                chosen[each.coe] = _image(choices, images.get(each.coe) or usual, each)
        existing = [each for each in api.pages("/v1/clustertemplates", "clustertemplates") if each["public"]]
        for each in SET_UPS:
            if each.coe not in chosen:
                print(f"{each.name}: {missing[each.coe]}")
                continue
            wanted = {"name": each.name, "coe": each.coe, "image_id": chosen[each.coe], **common, **each.fields}
            if each.coe == "dcos":
                wanted["labels"] = {**common["labels"], _GENERATOR: dcos_generate_config_url}
            print(f"{each.name}: {_ensure(api, wanted, [row for row in existing if row['name'] == each.name])}")


def _unavailable(api: Api) -> dict[str, str]:
    """COEs of templates that are not required -> why no engine of the installation provides them."""
    drivers = api.get("/v1/drivers")["drivers"]
    offered = {coe for row in drivers if row["kind"] == "combination" for coe in row["coes"]}
    reasons = {row["name"]: row["reason"] for row in drivers if row["kind"] == "engine" and row["reason"]}
    return {
        each.coe: f"skipped, because no installed engine provides it: {reasons.get(each.coe, 'it is not installed')}"
        for each in SET_UPS
        if not each.required and each.coe not in offered
    }


def _ensure(api: Api, wanted: dict[str, Any], existing: Sequence[dict[str, Any]]) -> str:
    """Create or update one template; returns what was done."""
    if len(existing) > 1:
        return f"left as it is: {len(existing)} public templates have this name"
    if not existing:
        return f"created {api.post('/v1/clustertemplates', wanted)['uuid']}"
    (row,) = existing
    changed = {name: value for name, value in wanted.items() if row.get(name) != value}
    if not changed:
        return "unchanged"
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in changed.items()}
    try:
        api.patch(f"/v1/clustertemplates/{row['uuid']}", replaced(texts))
    except ApiError as error:
        if error.status not in (400, 409):
            raise
        return f"left as it is ({', '.join(sorted(changed))} would change): {error}"
    return f"updated {', '.join(sorted(changed))}"


def _image(choices: UserChoices, given: str | None, set_up: SetUp) -> str:
    found = choices.images(set_up.distro)
    usual = "--image, or " if set_up.distro == DISTRO else ""
    option = f"{usual}--image-of {set_up.coe}=IMAGE"
    return _one(found, given, f"images with os_distro {set_up.distro}", option)


def _network(choices: UserChoices, given: str | None) -> str:
    return _one(choices.external_networks(), given, "external networks", "--external-network")


def _one(found: Sequence[Choice], given: str | None, what: str, option: str) -> str:
    """The ID of the one that is given by name or ID, or of the only one."""
    matching = [each for each in found if given is None or given in (each.id, each.name)]
    if len(matching) == 1:
        return matching[0].id
    named = ", ".join(f"{each.name} ({each.id})" for each in (matching or found)[:20]) or "none"
    if given is not None:
        raise ApiError(f"{given} is {'not one' if not matching else 'the name of several'} of the {what}: {named}")
    raise ApiError(f"choose with {option} among the {what}: {named}")


def _flavor(choices: UserChoices) -> str:
    found = choices.flavors()
    for flavor in found:
        if flavor.vcpus >= LEAST_VCPUS and flavor.ram >= LEAST_RAM and (flavor.disk >= LEAST_DISK):
            return flavor.name
    listed = ", ".join(flavor.name for flavor in found[:20]) or "none"
    raise ApiError(f"no flavor has 2 vCPUs, 2 GiB of memory and 10 GiB of disk; choose with --flavor among: {listed}")
