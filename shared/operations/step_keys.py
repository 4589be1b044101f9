"""The names of steps, and what each records.

Rule: a name is stored (`operation_steps.name`, `operations.step`), shown by the API and in events, and part of the name
of a crash point. It does not follow from the name of a function, and to change one needs a migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.operations import outputs
from shared.operations.stored import Stored

Output = TypeVar("Output", bound=Stored)


@dataclass(frozen=True, slots=True)
class StepKey(Generic[Output]):
    """A step by its name; `output` is the model of what it records."""

    name: str
    output: type[Output]


# create
SUBMIT_BASE_STACK = StepKey("submit_base_stack", outputs.NoOutput)
CREATE_SECRETS = StepKey("create_secrets", outputs.NoOutput)
CREATE_CREDENTIAL = StepKey("create_credential", outputs.NoOutput)  # rotate_credentials as well
AWAIT_BASE_STACK = StepKey("await_base_stack", outputs.BaseStack)
CREATE_NODE_STACKS = StepKey("create_node_stacks", outputs.NodeStacks)
AWAIT_NODES = StepKey("await_nodes", outputs.JoinedNodes)  # resize and nodegroup_create as well
SETTLE_NODES = StepKey("settle_nodes", outputs.NoOutput)  # resize, nodegroup_create, nodegroup_delete as well

# delete
STOP_AGENTS = StepKey("stop_agents", outputs.StoppedAgents)
DELETE_NODE_STACKS = StepKey("delete_node_stacks", outputs.NoOutput)
DELETE_SERVICE_LOAD_BALANCERS = StepKey("delete_service_load_balancers", outputs.NoOutput)
DELETE_BASE_STACK = StepKey("delete_base_stack", outputs.NoOutput)
DELETE_LEFTOVERS = StepKey("delete_leftovers", outputs.NoOutput)
DELETE_CREDENTIAL = StepKey("delete_credential", outputs.NoOutput)

# resize, nodegroup_create, nodegroup_delete
SELECT_NODES = StepKey("select_nodes", outputs.SelectedNodes)
DRAIN_NODES = StepKey("drain_nodes", outputs.DrainedNodes)
UPDATE_NODE_STACKS = StepKey("update_node_stacks", outputs.NodeStacks)
REMOVE_NODE_RECORDS = StepKey("remove_node_records", outputs.RemovedNodes)

# nodegroup_update
UPDATE_NODE_LABELS = StepKey("update_node_labels", outputs.UpdatedLabels)

# upgrade
RESOLVE_TARGET = StepKey("resolve_target", outputs.UpgradeTarget)
UPGRADE_CONTROL_NODES = StepKey("upgrade_control_nodes", outputs.ChangedNodes)
REPLACE_CONTROL_NODES = StepKey("replace_control_nodes", outputs.ChangedNodes)
REPLACE_OTHER_NODES = StepKey("replace_other_nodes", outputs.ChangedNodes)
UPGRADE_OTHER_NODES = StepKey("upgrade_other_nodes", outputs.ChangedNodes)

# rotate_ca
CREATE_AUTHORITIES = StepKey("create_authorities", outputs.NoOutput)
TRUST_BOTH = StepKey("trust_both", outputs.ChangedNodes)
REPLACE_KEY_PAIRS = StepKey("replace_key_pairs", outputs.ChangedNodes)
RESTART_WORKLOADS = StepKey("restart_workloads", outputs.RestartedWorkloads)
SIGN_WITH_NEW = StepKey("sign_with_new", outputs.ChangedNodes)
REMOVE_OLD_AUTHORITIES = StepKey("remove_old_authorities", outputs.ChangedNodes)

# rotate_credentials
DISTRIBUTE_CREDENTIAL = StepKey("distribute_credential", outputs.DistributedCredential)
DELETE_OLD_CREDENTIALS = StepKey("delete_old_credentials", outputs.NoOutput)
