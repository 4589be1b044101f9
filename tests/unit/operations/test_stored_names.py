"""Everything that is stored by its name, against a golden file.

Rule: a row outlives the version that wrote it. `UPDATE_GOLDEN=1 pytest` on this file writes what was added. A name that
is changed or taken away needs a migration that renames it in the rows there are (as 0004 did for steps), and, where
another process may still read or write the old one, a version that knows both.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from services.provisioner.plan import PLANS as PROVISIONER
from services.scaler.plan import PLANS as SCALER
from services.upgrader.plan import PLANS as UPGRADER
from shared.domain.kinds import OperationKind
from shared.domain.states import CLUSTER_STATUSES, NodeState, OperationState
from shared.drivers.kubernetes import engine
from shared.events.catalog import CATALOG
from shared.operations import step_keys
from shared.operations.node_tokens import SEED_SECRET
from shared.operations.params import PARAMS_OF_KIND, Params
from shared.operations.step_keys import StepKey
from shared.operations.stored import FollowUp
from shared.pki import rotation
from shared.pki.cluster_secrets import CLOUD_CREDENTIAL

GOLDEN = Path(__file__).parent / "golden" / "stored_names.json"
PLANS = {plan.kind: plan for plan in (*PROVISIONER, *SCALER, *UPGRADER)}


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Field -> its JSON type, without titles, descriptions and the order in which it is declared."""
    schema = model.model_json_schema()
    known = schema.get("$defs", {})

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return plain(known[value["$ref"].rsplit("/", 1)[1]])
        if value.get("type") == "object" and "properties" in value:
            return {name: plain(field) for name, field in value["properties"].items()}
        if "enum" in value:
            return "one of its names"
        return {key: plain(item) for key, item in value.items() if key not in ("title", "description", "default")}

    found: dict[str, Any] = plain(schema) if "properties" in schema else {}
    return found


def stored_names() -> dict[str, Any]:
    keys = [value for value in vars(step_keys).values() if isinstance(value, StepKey)]
    return {
        "kinds": [kind.value for kind in OperationKind],
        "steps": {kind.value: [key.name for key, _ in PLANS[kind].functions] for kind in OperationKind},
        "params": {kind.value: fields(PARAMS_OF_KIND.get(kind, Params)) for kind in OperationKind},
        "outputs": {key.name: fields(key.output) for key in keys},
        "follow_up": fields(FollowUp),
        "operation_states": list(OperationState),
        "node_states": list(NodeState),
        "statuses": list(CLUSTER_STATUSES),
        "secrets": sorted([SEED_SECRET, CLOUD_CREDENTIAL, rotation._next("<name>"), *engine.secrets]),
        "events": sorted(CATALOG),
    }


def test_stored_names_are_those_that_are_stored_already() -> None:
    text = json.dumps(stored_names(), indent=1, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert json.loads(text) == json.loads(GOLDEN.read_text()), "read this module's docstring before updating the file"


def test_every_key_is_a_step_of_a_plan() -> None:
    """A name that is in no plan any more is still in rows: remove it together with a migration."""
    named = {key for key in vars(step_keys).values() if isinstance(key, StepKey)}
    assert named == {key for plan in PLANS.values() for key, _ in plan.functions}
