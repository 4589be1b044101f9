"""Generates names in Magnum's style for resources created without one: `zeta-22-cluster`."""

from __future__ import annotations

import secrets

_LETTERS = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
)


def random_name(kind: str) -> str:
    """Args: kind: `cluster`, `template` or `federation`."""
    return f"{secrets.choice(_LETTERS)}-{1 + secrets.randbelow(24)}-{kind}"
