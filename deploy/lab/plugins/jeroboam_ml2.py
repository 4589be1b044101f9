"""A Neutron mechanism driver for a laboratory without agents: every port is bound on any host, and ACTIVE."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class AlwaysBind(api.MechanismDriver):
    """Takes the first segment on offer; the fake hypervisor plugs nothing."""

    def initialize(self):
        pass

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            {portbindings.CAP_PORT_FILTER: True},
            status=constants.PORT_STATUS_ACTIVE,
        )
