"""Bring a database to the newest schema, or say where it stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file, so that an installed wheel can migrate too.

    Args:
        url: `postgresql+asyncpg://...`.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`. Safe to run from several processes at once: the second one waits and finds it done."""
    # Alembic's env runs an event loop of its own, so it needs a thread of its own.
    await asyncio.to_thread(command.upgrade, alembic_config(url), revision)
