"""Topic patterns as AMQP 0-9-1 defines them: words joined by dots, `*` for one word, `#` for any number of words."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def matches(pattern: str, routing_key: str) -> bool:
    """Whether a topic exchange would route `routing_key` over a binding with `pattern`."""
    words = routing_key.split(".") if routing_key else []
    # reached[i]: whether the pattern up to here matches the first i words.
    reached = [True] + [False] * len(words)
    for part in pattern.split(".") if pattern else []:
        if part == "#":
            first = next((i for i, ok in enumerate(reached) if ok), len(reached))
            reached = [i >= first for i in range(len(reached))]
        else:
            reached = [False] + [reached[i] and (part == "*" or part == words[i]) for i in range(len(words))]
    return reached[-1]
