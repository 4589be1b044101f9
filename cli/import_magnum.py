"""`jeroboam import-magnum`: a command for operators. It uses the database of JEROBOAM_DATABASE_URL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Format, show_rows
from cli.services import read_settings
from cli.state import failures_as_words, options

if TYPE_CHECKING:
    from cli.magnum_import.report import Report


def import_magnum(
    context: typer.Context,
    database: Annotated[
        str, typer.Option(envvar="MAGNUM_DATABASE_URL", help="URL of Magnum's database, as in magnum.conf")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="report what would be imported, without writing it")
    ] = False,
    project: Annotated[list[str] | None, typer.Option(help="import only this project (ID); may be repeated")] = None,
    certificates: Annotated[
        Path | None, typer.Option(help="directory of the certificates, if Magnum stored them in files")
    ] = None,
    barbican: Annotated[bool, typer.Option(help="read certificates from Barbican as the service user")] = True,
    fmt: Annotated[Format | None, typer.Option("--format", "-f", help="output format")] = None,
) -> None:
    """Import a Magnum database. It can be run repeatedly. The exit status is 3 if something could not be imported."""
    with failures_as_words():
        report = asyncio.run(_run(database, set(project or ()), certificates, barbican=barbican, dry_run=dry_run))
        _print(report, fmt or options(context).format)
        raise typer.Exit(report.status)


async def _run(url: str, projects: set[str], directory: Path | None, *, barbican: bool, dry_run: bool) -> Report:
    from pydantic import SecretStr

    from cli.magnum_import.certificates import Certificates
    from cli.magnum_import.run import import_all
    from cli.magnum_import.source import read_source
    from shared.cloud.barbican import Barbican
    from shared.db.engine import Database
    from shared.pki.sealing import Sealer
    from shared.runtime.drivers import choose_drivers

    settings = read_settings()
    choose_drivers(settings)
    source = await read_source(SecretStr(url))
    containers = Barbican(settings.cloud) if barbican else None
    database = Database(settings.database_url.get_secret_value(), application_name="jeroboam.import", pool_size=2)
    try:
        return await import_all(
            source,
            database,
            Sealer(settings.secret_keys),
            Certificates(source.key_pairs, containers, directory),
            projects=projects,
            dry_run=dry_run,
        )
    finally:
        await database.close()
        if containers is not None:
            await containers.close()


def _print(report: Report, fmt: Format) -> None:
    from cli.magnum_import.report import COLUMNS

    if fmt is Format.JSON:
        print(json.dumps(report.as_json(), indent=2))
        return
    if report.lines:
        show_rows([line.row() for line in report.lines], COLUMNS, fmt)
    print(report.summary())
