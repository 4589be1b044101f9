"""`python -m benchmarks [NAME] [OPTIONS] [--out FILE]`: run one benchmark, or all of them.

Rule: a benchmark is a module with `async def run(*, ...) -> list[Figure]`. Its keyword arguments are its options, and
published figures use their defaults.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from pathlib import Path
from types import ModuleType

from benchmarks import (
    accepted_to_heat,
    api,
    creates_at_once,
    done_to_out,
    idle,
    posts,
    relay,
    scale,
    streams,
    webhooks,
)
from benchmarks.measure import conditions
from benchmarks.report import append, table

BENCHMARKS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (accepted_to_heat, done_to_out, creates_at_once, scale, api, posts, relay, webhooks, streams, idle)
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run one benchmark, or all of them.")
    parser.add_argument("--out", type=Path, help="append results to this file, one JSON line each")
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name, module in BENCHMARKS.items():
        words = (module.__doc__ or "").strip().splitlines()[0]
        command = names.add_parser(name, help=words, description=module.__doc__)
        command.add_argument("--out", type=Path, default=argparse.SUPPRESS)
        for option, parameter in inspect.signature(module.run).parameters.items():
            command.add_argument(
                f"--{option.replace('_', '-')}",
                type=type(parameter.default),
                default=argparse.SUPPRESS,
                help=f"default {parameter.default}",
            )
    return parser


def main() -> int:
    given = vars(_parser().parse_args())
    out, name = given.pop("out"), given.pop("name")
    for each in [name] if name else list(BENCHMARKS):
        # Taken before the run, because a benchmark itself causes load.
        before = conditions()
        figures = asyncio.run(BENCHMARKS[each].run(**given))
        print(table(each, figures, before), flush=True)
        if out is not None:
            append(out, each, figures, before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
