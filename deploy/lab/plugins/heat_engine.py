"""Starts Debian 12's heat-engine so that it works with Debian 12's oslo.messaging.

oslo.messaging 14.0.3, a security update, strips secrets from the context of every notification. Heat 19 then logs in
with that stripped copy of a stored context and fails each stack ("no password trust or auth_token"). Here such a copy
contents itself with the roles and domains it was given.
"""

import sys

from heat.cmd import engine  # first of all: it patches the standard library for eventlet
from heat.common.context import StoredContext

load = StoredContext._load_keystone_data


def load_where_possible(context):
    if context.trust_id or context.password or context.auth_token or context.auth_token_info:
        load(context)
    else:
        context._keystone_loaded = True


StoredContext._load_keystone_data = load_where_possible
sys.argv[0] = "heat-engine"
sys.exit(engine.main())
