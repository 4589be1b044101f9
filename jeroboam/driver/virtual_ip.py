"""The keepalived configuration of the address that several masters share in clouds without Octavia.

Rule: masters use unicast VRRP, because Neutron networks may not forward multicast. A master whose health check fails
yields the address to one whose check succeeds. All masters of a cluster must have the same virtual router ID, also one
that is added years later, so it is an output of the base stack and never computed again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from jeroboam.driver.answers import BootstrapContext
from jeroboam.driver.operating_system import IMAGE_BASED
from jeroboam.driver.values import MASTER, ClusterSpec, EndpointMode, NodegroupSpec, masters

VIRTUAL_ROUTER_ID = "virtual_router_id"  # an output of the base stack


def virtual_router_id(uuid: str) -> int:
    """The VRRP ID of a new cluster, 1 to 255. Clusters on one network rarely share it; their passwords differ."""
    return int.from_bytes(hashlib.sha256(uuid.encode()).digest()[:8], "big") % 255 + 1


def shared_address_problems(cluster: ClusterSpec, nodegroups: Sequence[NodegroupSpec]) -> list[str]:
    """Why the cluster's masters cannot share an address, as a sentence for the user; empty if they can or do not."""
    if cluster.endpoint_mode is not EndpointMode.VIRTUAL_IP:
        return []
    if not any(group.role == MASTER and group.operating_system in IMAGE_BASED for group in nodegroups):
        return []
    return [
        f"master_lb_enabled: this cloud has no load balancers, and keepalived, which replaces them, is not part of "
        f"{' and '.join(IMAGE_BASED)}; use one master, or another image"
    ]


def keepalived_config(context: BootstrapContext, *, check: str, key_from: str) -> str:
    """The configuration of one master. The node replaces `@INTERFACE@` with the interface of its default route.

    Args:
        context: of a master; every master's address must be known.
        check: path of a program that exits with 0 while the master can serve requests.
        key_from: the name of a secret that all masters have; the VRRP password is derived from it.
    """
    order = [node.uuid for node in masters(context.nodes)]
    peers = [str(node.ip_address) for node in masters(context.nodes) if node.uuid != context.node.uuid]
    listed = "".join(f"        {peer}\n" for peer in peers)
    return f"""\
global_defs {{
    enable_script_security
    script_user root
}}

vrrp_script apiserver {{
    script "{check}"
    interval 5
    timeout 4
    rise 2
    fall 3
    weight -100
}}

vrrp_instance api {{
    state BACKUP
    interface @INTERFACE@
    virtual_router_id {_router_id(context)}
    priority {200 - order.index(context.node.uuid)}
    advert_int 1
    unicast_src_ip {context.node.ip_address}
    unicast_peer {{
{listed}    }}
    authentication {{
        auth_type PASS
        auth_pass {_password(context, key_from)}
    }}
    virtual_ipaddress {{
        {context.base_outputs["api_private_address"]}/32
    }}
    track_script {{
        apiserver
    }}
}}
"""


def _router_id(context: BootstrapContext) -> int:
    """The stored ID. Clusters whose base stack has none were created when it was derived from the first digits."""
    stored = context.base_outputs.get(VIRTUAL_ROUTER_ID)
    return int(stored) if stored is not None else int(context.cluster.uuid[:2], 16) % 254 + 1


def _password(context: BootstrapContext, secret: str) -> str:
    """VRRP passwords have eight characters."""
    key = context.secrets[secret].secret.encode()
    return hmac.new(key, b"jeroboam vrrp", hashlib.sha256).hexdigest()[:8]
