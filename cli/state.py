"""Shared by all commands that call the API: options, the client and error handling."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from cli.api import Api, ApiError
from cli.output import Format
from shared.domain.errors import JeroboamError


@dataclass(slots=True)
class Options:
    """The global options, stored in typer's context."""

    cloud: str | None = None
    region: str | None = None
    endpoint: str | None = None
    format: Format = Format.TABLE

    def api(self) -> Api:
        from shared.cloud.user_session import UserSession  # it imports openstacksdk

        return Api(UserSession(self.cloud, self.region), self.endpoint)


def options(context: typer.Context) -> Options:
    found = context.find_root().obj
    assert isinstance(found, Options)
    return found


@contextmanager
def failures_as_words() -> Iterator[None]:
    """Report errors as one line on standard error, with exit status 1 (130 for Ctrl-C)."""
    try:
        yield
    except (ApiError, JeroboamError) as error:
        print(f"jeroboam: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
