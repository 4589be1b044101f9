"""What every benchmark has, so that `make bench` can run it and say what it is."""

from __future__ import annotations

from benchmarks.__main__ import BENCHMARKS


def test_every_benchmark_has_options_with_defaults_and_says_what_it_is() -> None:
    for name, module in BENCHMARKS.items():
        assert module.__doc__, name
        assert all(isinstance(default, int | float | str) for default in module.run.__kwdefaults__.values()), name
