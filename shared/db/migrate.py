"""Migrates a database to the newest schema."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file, so that an installed wheel can also migrate.

    Args:
        url: `postgresql+asyncpg://...`.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`. Several processes can run it concurrently: the second one waits and has nothing to do."""
    # Alembic's env runs its own event loop, so it needs a separate thread.
    await asyncio.to_thread(command.upgrade, alembic_config(url), revision)
