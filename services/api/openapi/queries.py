"""JSON Schemas of query arguments: the columns each list can be sorted by, the values of an argument.

Rule: the schemas match what is accepted: a value that fits is never rejected as such, one that does not returns 400.
Names are taken from the tables and enumerations, so they cannot differ from them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.api.certificates.authorities import ca_types
from services.api.clusters import routes as clusters
from services.api.clusters.client_config import MAX_HOURS
from services.api.events.filters import LATEST
from services.api.federations import routes as federations
from services.api.nodegroups import routes as nodegroups
from services.api.prometheus.targets import MOST_PORTS
from services.api.prometheus.tokens import COLUMNS as TOKEN_COLUMNS
from services.api.quotas import routes as quotas
from services.api.templates import routes as templates
from services.api.webhooks.queries import COLUMNS as WEBHOOK_COLUMNS
from services.api.wire.fields import BOOLEAN_WORDS
from shared.db.webhook_models import DELIVERY_STATES
from shared.domain.states import NodeState, OperationState
from shared.webhooks.filters import OUTCOMES

Schema = dict[str, Any]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_BOOLEAN: Schema = {"enum": [*BOOLEAN_WORDS, "True", "False"]}
_TIME: Schema = {
    "type": "string",
    "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
}

_BY_NAME: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1},
    "marker": {"type": "string", "pattern": f"^({_UUID})?$"},  # empty: the first page
    "sort_dir": {"enum": ["asc", "desc"]},
    "wait": {"type": "integer", "minimum": 0},
    "hours": {"type": "integer", "minimum": 1, "maximum": MAX_HOURS},
    # Other cursors are accepted too, but one that the log does not contain is a 410.
    "after": {"enum": ["", "0-0", LATEST]},
    "outcome": {"enum": list(OUTCOMES)},
    "since": _TIME,
    "until": _TIME,
    "cluster": {"type": "string", "pattern": f"^{_UUID}$"},
    "ca_cert_type": {"enum": ca_types()},
    "rollback": _BOOLEAN,
    "dry_run": _BOOLEAN,
    "all_tenants": _BOOLEAN,
}


def _sorted_by(columns: Collection[str]) -> Schema:
    """An empty key sorts by the default column."""
    return {"enum": ["", *sorted(columns)]}


# (last segment of the path, argument) -> schema, if the argument's name is not sufficient.
_BY_PLACE: dict[tuple[str, str], Schema] = {
    ("clusters", "sort_key"): _sorted_by(clusters.COLUMNS),
    ("clustertemplates", "sort_key"): _sorted_by(templates.COLUMNS),
    ("federations", "sort_key"): _sorted_by(federations.COLUMNS),
    ("nodegroups", "sort_key"): _sorted_by(nodegroups.COLUMNS),
    ("quotas", "sort_key"): _sorted_by(quotas.COLUMNS),
    ("tokens", "sort_key"): _sorted_by(TOKEN_COLUMNS),
    ("targets", "port"): {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 65535},
        "maxItems": MOST_PORTS,
    },
    ("webhooks", "sort_key"): _sorted_by(WEBHOOK_COLUMNS),
    ("deliveries", "state"): {"enum": list(DELIVERY_STATES)},
    ("quotas", "marker"): {"type": "string", "pattern": "^([0-9]{1,18})?$"},
    ("operations", "state"): {"enum": [state.value for state in OperationState]},
    ("nodes", "state"): {"enum": [state.value for state in NodeState]},
    ("stats", "type"): {"enum": ["cluster"]},
    ("events", "type"): {"enum": ["*", "cluster.*", "cluster.create.completed.v1", "node.joined.v1"]},
}


def query_schema(path: str, name: str) -> Schema:
    """The schema of argument `name` of a route; any string by default."""
    place = path.removesuffix("/detail").removesuffix("/stream").rpartition("/")[2]
    return _BY_PLACE.get((place, name)) or _BY_NAME.get(name) or {"type": "string"}
