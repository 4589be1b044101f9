"""Collects the pages of the documentation site in build/docs, from which `make docs` builds site/.

Rule: Markdown files keep their places in the repository. This script copies them, rewrites the links between them, and
adds the pages that are generated from the code. It fails if a page is not in the navigation of mkdocs.yml, or if a page
links to a file that is not a page.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.api_reference import api_reference  # noqa: E402
from scripts.event_reference import event_types  # noqa: E402

TARGET = ROOT / "build" / "docs"
# Pages and files outside docs/: path in the repository -> path in the site.
ELSEWHERE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "license.txt",
}
LINK = re.compile(r"(?<=\]\()([^)#\s]*)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    places = site_places()
    for source, place in places.items():
        target = TARGET / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rewritten((ROOT / source).read_text(), source, places))
    (TARGET / "api-reference.md").write_text(api_reference())
    (TARGET / "event-types.md").write_text(event_types())
    check_navigation()


def site_places() -> dict[str, str]:
    """All pages: path in the repository -> path in the site."""
    places = dict(ELSEWHERE)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        inside = path.relative_to(ROOT / "docs")
        name = inside.with_name("index.md") if inside.name == "README.md" else inside
        places[f"docs/{inside.as_posix()}"] = name.as_posix()
    return places


def rewritten(text: str, source: str, places: dict[str, str]) -> str:
    """Rewrite the links of a page to paths in the site; code blocks are not changed."""

    def link(found: re.Match[str]) -> str:
        path, anchor = found[1], found[2] or ""
        if not path or "://" in path:
            return found[0]
        target = normal(PurePosixPath(source).parent / path)
        if f"{target}/README.md" in places:
            target = f"{target}/README.md"
        if target not in places:
            raise SystemExit(f"docs: {source} links to {path}, which is not a page")
        return relative(places[target], places[source]) + anchor

    parts: list[str] = []
    position = 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(link, text[position : fence.start()]), fence[0]]
        position = fence.end()
    return "".join([*parts, LINK.sub(link, text[position:])])


def normal(path: PurePosixPath) -> str:
    kept: list[str] = []
    for part in path.parts:
        if part == "..":
            kept.pop()
        elif part != ".":
            kept.append(part)
    return "/".join(kept)


def relative(target: str, source: str) -> str:
    return "../" * (len(PurePosixPath(source).parts) - 1) + target


def check_navigation() -> None:
    named = set(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    built = {path.relative_to(TARGET).as_posix() for path in TARGET.rglob("*.md")}
    for page in sorted(built - named):
        raise SystemExit(f"docs: {page} is not in the navigation of mkdocs.yml")
    for page in sorted(named - built):
        raise SystemExit(f"docs: mkdocs.yml contains {page}, which does not exist")


def pages(nav: Any) -> list[str]:
    """All pages of a navigation entry, in order."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [page for each in inner for page in pages(each)]


if __name__ == "__main__":
    main()
