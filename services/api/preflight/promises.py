"""What accepted requests will take of the project's quotas, until the cloud reports it.

Rule: a request is accepted if the quotas have room for it beside what is in use and what was promised before, so a
burst of requests cannot overrun a quota, whatever the age of the quotas. A promise ends when the cloud reports more in
use, when it was not kept, and at the latest after a fixed time. Only this process's requests are known here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType

from shared.cloud.types import QuotaLine


@dataclass(slots=True)
class _Project:
    """The promises of a project, oldest first, and what the cloud last reported to be in use."""

    used: dict[str, int]
    promises: list[Promise] = field(default_factory=list)


class Promise:
    """The demand of an accepted request. As a context manager, it is withdrawn if the block raises an exception."""

    def __init__(self, owner: Promises, project_id: str, cluster_id: str, open_: dict[str, int], at: float) -> None:
        self.cluster_id = cluster_id
        self.open = open_
        self.made_at = at
        self._owner = owner
        self._project_id = project_id

    def __enter__(self) -> Promise:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._owner.withdraw(self._project_id, self)


class Promises:
    """The open promises of this process.

    Args:
        seconds: after which a promise ends in any case.
        clock: monotonic seconds, the clock of `Answers`.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        # In the order of the newest promise, so that projects without open ones are found at the front.
        self._projects: OrderedDict[str, _Project] = OrderedDict()

    def make(
        self, project_id: str, cluster_id: str, needed: Mapping[str, int], quotas: Mapping[str, QuotaLine]
    ) -> Promise:
        """Record what an accepted request needs. Between the judgement and this call, nothing may be awaited.

        Args:
            quotas: those with which the request was judged.
        """
        self._forget_old()
        promise = Promise(self, project_id, cluster_id, dict(needed), self._clock())
        project = self._projects.get(project_id)
        if project is None:
            project = self._projects[project_id] = _Project({name: line.used for name, line in quotas.items()})
        project.promises.append(promise)
        self._projects.move_to_end(project_id)
        return promise

    def counted(self, project_id: str, quotas: Mapping[str, QuotaLine]) -> dict[str, QuotaLine]:
        """The quotas with what was promised and is not in use yet."""
        self._forget_old()
        project = self._projects.get(project_id)
        if project is None:
            return dict(quotas)
        return {
            name: replace(line, promised=sum(promise.open.get(name, 0) for promise in project.promises))
            for name, line in quotas.items()
        }

    def reported(self, project_id: str, quotas: Mapping[str, QuotaLine], asked_at: float) -> None:
        """Note what the cloud reports: by as much as the usage grew, promises were kept.

        Args:
            asked_at: when the cloud was asked; promises made after that are not in its answer.
        """
        project = self._projects.get(project_id)
        if project is None:
            return
        for name, line in quotas.items():
            grown = line.used - project.used.get(name, line.used)
            project.used[name] = line.used
            for promise in project.promises:
                if grown <= 0 or promise.made_at > asked_at:
                    break
                kept = min(grown, promise.open.get(name, 0))
                grown -= kept
                if kept:
                    promise.open[name] -= kept

    def withdraw(self, project_id: str, promise: Promise) -> None:
        """End a promise that is not kept."""
        project = self._projects.get(project_id)
        if project is not None and promise in project.promises:
            project.promises.remove(promise)

    def forget_cluster(self, project_id: str, cluster_id: str) -> None:
        """End the promises of a cluster that is being deleted."""
        project = self._projects.get(project_id)
        if project is not None:
            project.promises = [promise for promise in project.promises if promise.cluster_id != cluster_id]

    def _forget_old(self) -> None:
        oldest = self._clock() - self._seconds
        for project_id in list(self._projects):
            project = self._projects[project_id]
            if project.promises and project.promises[-1].made_at > oldest:
                break
            del self._projects[project_id]
        for project in self._projects.values():
            project.promises = [promise for promise in project.promises if promise.made_at > oldest]
