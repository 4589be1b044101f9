"""The members of the simulated engines: which name belongs to which machine, and which machines run.

Rule: as in Kubernetes, a member stays when its machine is stopped or deleted, and is not ready then; a removal by a
master ends the membership. As with kubeadm, no machine joins under the name of a member that is ready. A machine that
was rebuilt finds itself: Kubernetes notices only after a while that the old one is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.nodes.memory import NodeMemory
from sandbox.openstack.hypervisor import Machine

CLUSTER_KEY = "jeroboam_cluster"


@dataclass(frozen=True, slots=True)
class Member:
    """`observes`: its bootstrap installed the program that tells the states of all members."""

    machine: str
    cluster: str
    observes: bool


class Membership:
    """Args: memory: the members are stored with the nodes' state."""

    def __init__(self, memory: NodeMemory) -> None:
        self._memory = memory
        self._members = {
            name: Member(machine, cluster, bool(observes)) for name, machine, cluster, observes in memory.members()
        }
        self._running: dict[str, str] = {}  # machine -> cluster

    def started(self, machine: Machine) -> None:
        """The machine runs."""
        self._running[machine.id] = _cluster(machine)

    def stopped(self, machine_id: str, *, gone: bool) -> None:
        """The machine does not run; with the last machine of a cluster, its engine is gone."""
        cluster = self._running.pop(machine_id, None)
        if not gone or cluster is None or cluster in self._running.values():
            return
        if not any(each.cluster == cluster and each.machine != machine_id for each in self._members.values()):
            self.remove([name for name, each in self._members.items() if each.cluster == cluster])

    def join(self, machine: Machine, *, again: bool, observes: bool) -> str | None:
        """Add a member; why the engine refuses it, or None.

        Args:
            again: the machine knows that it is a member, so the bootstrap is only repeated.
            observes: it tells the states of all members.
        """
        member = self._members.get(machine.name)
        mine = member is not None and member.machine == machine.id and again
        if member is not None and member.machine in self._running and not mine:
            return f'a Node with name "{machine.name}" and status "Ready" already exists in the cluster'
        self._put(machine, observes=observes)
        return None

    def _put(self, machine: Machine, *, observes: bool) -> None:
        self._members[machine.name] = Member(machine.id, _cluster(machine), observes)
        self._memory.put_member(machine.name, machine.id, _cluster(machine), observes=observes)

    def remove(self, names: list[str]) -> None:
        """End memberships."""
        for name in names:
            self._members.pop(name, None)
            self._memory.forget_member(name)

    def states(self, machine: Machine) -> dict[str, str]:
        """What the API of the cluster says, if this member can tell: `api`, and each member that is not ready."""
        cluster = _cluster(machine)
        own = self._members.get(machine.name)
        if own is None or own.machine != machine.id or not own.observes:
            return {}
        found = {"api": "ok"}
        for name, member in self._members.items():
            if member.cluster == cluster and member.machine not in self._running:
                found[f"{name}.Ready"] = "Unknown"
        return found


def _cluster(machine: Machine) -> str:
    return machine.metadata.get(CLUSTER_KEY, "")
