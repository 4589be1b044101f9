"""Go and gophercloud from Debian's packages, and a program built of them.

Rule: nothing is asked of any Go module proxy: the build sees one GOPATH, the packages', and no network. It runs as
`python -m tests.support.go_clients DIRECTORY`, which writes `DIRECTORY/bin/walk`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox import debian_packages

SOURCE = Path(__file__).parents[1] / "clients" / "go"
RELEASE = "1.19"  # Debian 12's, whose gophercloud is 0.12
_GOPATH = "usr/share/gocode"
_SECONDS = 600


def ensure() -> Path:
    """Find Go and gophercloud, or fetch them. Returns their prefix.

    Raises:
        RuntimeError: neither found nor to be fetched, with apt's own words.
    """
    return debian_packages.ensure(
        "go",
        [f"golang-{RELEASE}-go", "golang-github-gophercloud-gophercloud-dev"],
        lambda prefix: _go(prefix, "go").exists() and (prefix / _GOPATH / "src/github.com/gophercloud").is_dir(),
        needed=[f"golang-{RELEASE}-src"],
    )


def go(prefix: Path, program: str, *arguments: str, place: Path) -> str:
    """Run a program of Go's on `SOURCE`; what it printed.

    Args:
        place: keeps what was compiled, for the next time.

    Raises:
        RuntimeError: with its own words.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "GOCACHE": str(place / "cache"),
        "GOPATH": str(prefix / _GOPATH),
        "GO111MODULE": "off",
        "GOPROXY": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    done = subprocess.run(
        [str(_go(prefix, program)), *arguments],
        cwd=SOURCE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(arguments)} failed: {done.stdout}")
    return done.stdout


def _go(prefix: Path, program: str) -> Path:
    return prefix / f"usr/lib/go-{RELEASE}/bin" / program


def main() -> None:
    place = Path(sys.argv[1]).resolve()
    prefix = ensure()
    unformatted = go(prefix, "gofmt", "-l", ".", place=place)
    if unformatted:
        raise RuntimeError(f"gofmt would change {unformatted}")
    go(prefix, "go", "vet", ".", place=place)
    go(prefix, "go", "build", "-o", str(place / "bin" / "walk"), ".", place=place)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
