"""The fault script of the simulated cloud.

Rule: faults are data from a file or a request, so that tests define what fails and when. Rules apply to requests;
behaviours apply to simulated resources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from sandbox.openstack.wire import ApiError

BEHAVIOURS = frozenset(
    {
        *("no_valid_host", "quota", "stuck", "delete_fails", "slow"),
        *("deploy_fails", "clean_fails"),
        *("fail_join", "silent", "unhealthy", "drain_fails"),
    }
)
MATCHES = frozenset({"service", "method", "path", "project", "nth", "times", "probability"})
ACTIONS = frozenset({"status", "headers", "body", "delay_s", "drop", "hang"})


@dataclass(slots=True)
class Rule:
    """A fault of requests.

    Args:
        match: `service`, `method`, `path` (regex, searched), `project` (ID), and of the matching requests:
            `nth` (only that one, from 1), `times` (only so many), `probability` (0 to 1).
        do: `delay_s` first, then one of `hang` (never respond), `drop` (close the connection) or `status` with
            `headers` and `body`; with a delay alone, the request is processed after it.
    """

    match: dict[str, Any]
    do: dict[str, Any]
    seen: int = 0
    done: int = 0
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self.pattern = re.compile(str(self.match.get("path", "")))

    def fits(self, service: str, method: str, path: str, project: str | None) -> bool:
        """Whether a request matches the rule."""
        match = self.match
        return (
            match.get("service", service) == service
            and str(match.get("method", method)).upper() == method
            and self.pattern.search(path) is not None
            and match.get("project", project) == project
        )

    def strikes(self, random: Random) -> bool:
        """Count a matching request. Returns whether the fault applies to it."""
        self.seen += 1
        hit = (
            self.match.get("nth", self.seen) == self.seen
            and self.done < int(self.match.get("times", self.done + 1))
            and random.random() < float(self.match.get("probability", 1))
        )
        self.done += hit
        return hit


class Faults:
    """The current fault script.

    Args:
        seed: seed of the probabilities, so that a run can be repeated.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.rules: list[Rule] = []
        self.behaviours: dict[str, list[tuple[re.Pattern[str], float]]] = {}

    def load(self, path: Path) -> None:
        """Read a script from a JSON or YAML file."""
        self.put(yaml.safe_load(path.read_text()) or {})

    def put(self, script: Mapping[str, Any]) -> None:
        """Replace the script; 400 for unknown keys."""
        try:
            rules = [Rule(dict(one.get("match") or {}), dict(one["do"])) for one in script.get("rules") or []]
            behaviours = {
                name: [_behaviour(one) for one in listed] for name, listed in (script.get("behaviours") or {}).items()
            }
        except (re.error, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ApiError(400, f"The fault script cannot be read: {error!r}") from error
        strange = set(script) - {"rules", "behaviours"} | set(behaviours) - BEHAVIOURS
        for rule in rules:
            strange |= set(rule.match) - MATCHES | set(rule.do) - ACTIONS
        if strange:
            raise ApiError(400, f"Unknown keys in the fault script:  {', '.join(sorted(strange))}")
        self.rules, self.behaviours = rules, behaviours

    def clear(self) -> None:
        """Remove all faults."""
        self.put({})

    def shown(self) -> dict[str, Any]:
        """The script, with how often each rule matched and was applied."""
        return {
            "rules": [{"match": r.match, "do": r.do, "seen": r.seen, "done": r.done} for r in self.rules],
            "behaviours": {
                name: [{"name": pattern.pattern, "factor": factor} for pattern, factor in listed]
                for name, listed in self.behaviours.items()
            },
        }

    def strike(self, service: str, method: str, path: str, project: str | None) -> dict[str, Any] | None:
        """The fault to apply to a request, or None."""
        for rule in self.rules:
            if rule.fits(service, method, path, project) and rule.strikes(self._random):
                return rule.do
        return None

    def behaves(self, behaviour: str, name: str) -> bool:
        """Whether a behaviour applies to a resource of that name."""
        return any(pattern.search(name) for pattern, _ in self.behaviours.get(behaviour, ()))

    def slowness(self, name: str) -> float:
        """The factor for durations of a resource of that name, 1 by default."""
        return next((factor for pattern, factor in self.behaviours.get("slow", ()) if pattern.search(name)), 1.0)


def _behaviour(one: Any) -> tuple[re.Pattern[str], float]:
    if isinstance(one, str):
        return re.compile(one), 10.0
    return re.compile(str(one["name"])), float(one.get("factor", 10))
