"""The table of kinds: whatever is derived from a kind exists for every one of them."""

from __future__ import annotations

import pytest

from services.api.clusters.deadlines import deadline
from services.provisioner.plan import PLANS as PROVISIONER
from services.scaler.plan import PLANS as SCALER
from services.upgrader.plan import PLANS as UPGRADER
from shared.bus import topology
from shared.bus.topic import matches
from shared.db.models import Cluster
from shared.domain.kinds import OperationKind, Service, TimeLimit, WhenLive, operation_event
from shared.domain.states import CLUSTER_STATUSES, Outcome, cluster_status, nodegroup_status
from shared.events.catalog import CATALOG
from shared.operations.params import Params, load_params
from shared.settings import Settings

PLANS = {Service.PROVISIONER: PROVISIONER, Service.SCALER: SCALER, Service.UPGRADER: UPGRADER}
QUEUES = {
    Service.PROVISIONER: topology.PROVISIONER,
    Service.SCALER: topology.SCALER,
    Service.UPGRADER: topology.UPGRADER,
}
OUTCOMES = ("requested", "started", "progressed", "completed", "failed", "cancelled")

every_kind = pytest.mark.parametrize("kind", OperationKind)


@every_kind
def test_a_kind_is_its_name_everywhere(kind: OperationKind) -> None:
    assert OperationKind(kind.value) is kind
    assert f"{kind}" == kind.value == kind
    assert kind.traits is OperationKind(str(kind)).traits


@every_kind
def test_exactly_the_service_it_names_has_its_plan(kind: OperationKind) -> None:
    assert [service for service, plans in PLANS.items() for plan in plans if plan.kind is kind] == [kind.traits.service]


@every_kind
def test_the_steps_of_its_plan_have_different_names(kind: OperationKind) -> None:
    (plan,) = [plan for plans in PLANS.values() for plan in plans if plan.kind is kind]
    names = [key.name for key, _ in plan.functions]
    assert names
    assert len(set(names)) == len(names)


@every_kind
def test_its_request_reaches_the_queue_of_its_service_and_no_other(kind: OperationKind) -> None:
    event = operation_event(kind, "requested")
    reached = [
        service for service, queue in QUEUES.items() if any(matches(pattern, event) for pattern in queue.bindings)
    ]
    assert reached == [kind.traits.service]


@every_kind
def test_its_events_are_in_the_catalog(kind: OperationKind) -> None:
    for outcome in OUTCOMES:
        entry = CATALOG[operation_event(kind, outcome)]
        assert entry.mandatory == (outcome == "requested")
    assert operation_event(kind, "failed").split(".")[0] in ("cluster", "nodegroup")


def test_no_two_kinds_share_an_event() -> None:
    assert len({kind.traits.event for kind in OperationKind}) == len(OperationKind)


@every_kind
@pytest.mark.parametrize("outcome", Outcome)
def test_it_shows_as_statuses_of_magnums(kind: OperationKind, outcome: Outcome) -> None:
    assert cluster_status(kind, outcome) in CLUSTER_STATUSES
    assert nodegroup_status(kind, outcome) in CLUSTER_STATUSES


@every_kind
def test_it_has_a_deadline_unless_its_length_is_the_number_of_nodes(kind: OperationKind) -> None:
    settings = Settings.model_construct(create_timeout_minutes=60, delete_timeout_minutes=90)
    found = deadline(settings, Cluster(create_timeout=None), kind)
    assert (found is None) == (kind.traits.time_limit is TimeLimit.NONE)


@every_kind
def test_its_params_have_a_model(kind: OperationKind) -> None:
    known = {"node_count": 1, "master_count": 1, "nodegroup": "n", "cluster_template_id": "t", "from_the_future": 1}
    found = load_params(kind, known)
    assert isinstance(found, Params)
    assert "from_the_future" not in found.dump()


def test_what_cancels_a_live_operation_is_what_removes_the_cluster() -> None:
    cancelling = [kind for kind in OperationKind if kind.traits.when_live is WhenLive.CANCELS]
    assert cancelling == [kind for kind in OperationKind if kind.traits.removes_cluster] == [OperationKind.DELETE]
