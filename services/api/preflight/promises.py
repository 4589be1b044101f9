"""What accepted requests will take of the project's quotas, until the cloud reports it.

Rule: a request is accepted if the quotas have room for it beside what is in use and what was promised before, so a
burst of requests cannot overrun a quota, whatever the age of the quotas. A promise ends when the cloud reports more in
use, when it was not kept, and at the latest after a fixed time. Only this process's requests are known here.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType

from shared.cloud.types import QuotaLine


class Promise:
    """The demand of an accepted request. As a context manager, it is withdrawn if the block raises an exception."""

    def __init__(self, project: _Project, cluster_id: str, needed: Mapping[str, int], made_at: float) -> None:
        self.cluster_id = cluster_id
        self.open = dict(needed)
        self.made_at = made_at
        self._project = project

    def __enter__(self) -> Promise:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._project.end(self)


@dataclass(slots=True)
class _Project:
    """The promises of a project, oldest first, their sum, and what the cloud last reported to be in use."""

    used: dict[str, int]
    promises: deque[Promise] = field(default_factory=deque)
    total: Counter[str] = field(default_factory=Counter)

    def add(self, promise: Promise) -> None:
        self.promises.append(promise)
        self.total.update(promise.open)

    def end(self, promise: Promise) -> None:
        self.total.subtract(promise.open)
        promise.open.clear()

    def keep(self, name: str, number: int, before: float) -> None:
        """Reduce the promises that were made before a time, the oldest first, by what the cloud counts now."""
        for promise in self.promises:
            if number <= 0 or promise.made_at > before:
                break
            kept = min(number, promise.open.get(name, 0))
            if kept:
                promise.open[name] -= kept
                self.total[name] -= kept
                number -= kept


class Promises:
    """The open promises of this process.

    Args:
        seconds: after which a promise ends in any case.
        clock: monotonic seconds, the clock of `Answers`.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        # Each has a promise; in the order of their newest ones.
        self._projects: OrderedDict[str, _Project] = OrderedDict()

    def make(
        self, project_id: str, cluster_id: str, needed: Mapping[str, int], quotas: Mapping[str, QuotaLine]
    ) -> Promise:
        """Record what an accepted request needs. Between the judgement and this call, nothing may be awaited.

        Args:
            quotas: those with which the request was judged.
        """
        project = self._current(project_id)
        if project is None:
            project = self._projects[project_id] = _Project({name: line.used for name, line in quotas.items()})
        promise = Promise(project, cluster_id, needed, self._clock())
        project.add(promise)
        self._projects.move_to_end(project_id)
        return promise

    def counted(self, project_id: str, quotas: Mapping[str, QuotaLine]) -> dict[str, QuotaLine]:
        """The quotas with what was promised and is not in use yet."""
        project = self._current(project_id)
        if project is None:
            return dict(quotas)
        return {name: replace(line, promised=project.total[name]) for name, line in quotas.items()}

    def reported(self, project_id: str, quotas: Mapping[str, QuotaLine], asked_at: float) -> None:
        """Note what the cloud reports: by as much as the usage grew, promises were kept.

        Args:
            asked_at: when the cloud was asked; promises made after that are not in its answer.
        """
        project = self._current(project_id)
        if project is None:
            return
        for name, line in quotas.items():
            project.keep(name, line.used - project.used.get(name, line.used), asked_at)
            project.used[name] = line.used

    def forget_cluster(self, project_id: str, cluster_id: str) -> None:
        """End the promises of a cluster that is being deleted."""
        project = self._projects.get(project_id)
        if project is None:
            return
        for promise in project.promises:
            if promise.cluster_id == cluster_id:
                project.end(promise)

    def _current(self, project_id: str) -> _Project | None:
        """A project with promises, after the end of those that are too old."""
        oldest = self._clock() - self._seconds
        while self._projects and next(iter(self._projects.values())).promises[-1].made_at <= oldest:
            self._projects.popitem(last=False)
        project = self._projects.get(project_id)
        while project is not None and project.promises[0].made_at <= oldest:
            project.end(project.promises.popleft())
        return project
