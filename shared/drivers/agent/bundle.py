"""Renders a bootstrap as one shell script, because the agent has no JSON parser.

Rule: the shell never interprets a file's content or path; contents are base64 in quoted here-documents. Everything is
in a function that is called at the end, and the last line marks the script as complete, so that a truncated script does
nothing.
"""

from __future__ import annotations

import base64
import shlex
import textwrap
from collections.abc import Mapping
from typing import Any

from jeroboam.driver import Bootstrap

MEDIA_TYPE = "text/x-shellscript"
COMPLETE = "# jeroboam: complete"
SCRIPT_PATH = "/var/lib/jeroboam/node.sh"

_HEAD = """\
#!/bin/sh
# revision: {revision}
set -eu
umask 077
root=${{JEROBOAM_ROOT:-}}
# put MODE PATH: replace the file atomically with the base64 on standard input.
put() {{
    mkdir -p "${{root}}$(dirname "$2")"
    base64 -d >"$root$2.new"
    chmod "$1" "$root$2.new"
    mv -f "$root$2.new" "$root$2"
}}
main() {{
"""
_TAIL = f"""\
}}
main
exec /bin/sh "$root{SCRIPT_PATH}"
{COMPLETE}
"""


def render(bootstrap: Bootstrap, revision: str) -> str:
    """Render the script that writes the bootstrap's files and runs its script.

    Args:
        revision: the version of the engine that it installs; the agent reports it when the node has joined.
    """
    files = [(file["path"], file["content"], file["mode"]) for file in bootstrap.files]
    files.append((SCRIPT_PATH, bootstrap.script, "0700"))
    return _HEAD.format(revision=revision) + "".join(_put(*file) for file in files) + _TAIL


def _put(path: str, content: str, mode: str) -> str:
    encoded = "\n".join(textwrap.wrap(base64.b64encode(content.encode()).decode(), 76))
    return f"put {shlex.quote(mode)} {shlex.quote(path)} <<'EOF'\n{encoded}\nEOF\n"


def render_commands(commands: list[dict[str, Any]]) -> str:
    """Render commands as lines `<id> <name> <base64>`; the base64 contains the arguments as lines `name=value`."""
    return "".join(f"{command['id']} {command['name']} {_arguments(command['args'])}\n" for command in commands)


def _arguments(arguments: Mapping[str, Any]) -> str:
    lines = [
        f"{name}={value if isinstance(value, int | float) else _one_line(value)}"
        for name, value in sorted(arguments.items())
    ]
    return base64.b64encode("".join(f"{line}\n" for line in lines).encode()).decode()


def _one_line(value: Any) -> str:
    return " ".join(str(value).splitlines())
