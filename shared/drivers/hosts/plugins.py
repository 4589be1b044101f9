"""Docker's volume plug-ins: how they are written in labels, and the files from which nodes install them.

Rule: each plug-in is a file of lines, its image and then its settings, which the node passes on as arguments: no
setting is ever part of a command's text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from jeroboam.driver import ClusterSpec

DIRECTORY = "/etc/jeroboam/volume-plugins"
# The names for which a template's `volume_driver` can ask; each needs a plug-in with this alias.
VOLUME_DRIVERS = ("cinder", "cvmfs", "eos", "rexray")
MOST = 10
MOST_SETTINGS = 50
LONGEST_SETTING = 1024
# An image in a registry: host, port and path in lower case, a tag or a digest.
_IMAGE = re.compile(
    r"([a-z0-9]+([._-][a-z0-9]+)*(:[0-9]{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(@sha256:[0-9a-f]{64})?"
)
_ALIAS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_SETTING = re.compile(rf"({_ALIAS.pattern}):([A-Za-z_][A-Za-z0-9_.-]{{0,63}}=[ -~]{{0,{LONGEST_SETTING}}})")


def parse_plugins(text: str) -> list[tuple[str, str]]:
    """Parse volume plug-ins such as `cvmfs=registry.example.org/cvmfs:1.0` into (alias, image). Raises ValueError."""
    found = []
    for word in text.split():
        alias, separator, image = word.partition("=")
        if not separator or not _ALIAS.fullmatch(alias) or len(image) > 255 or not _IMAGE.fullmatch(image):
            raise ValueError(
                "must be volume plug-ins as alias=image, separated by blanks, "
                "such as cvmfs=registry.example.org/cvmfs:1.0"
            )
        found.append((alias, image))
    if len(found) > MOST or len({alias for alias, _ in found}) < len(found):
        raise ValueError(f"must be at most {MOST} volume plug-ins, each alias once")
    return found


def parse_settings(text: str) -> list[tuple[str, str]]:
    """Parse settings such as `cvmfs:CVMFS_QUOTA_LIMIT=4000 rexray:NAME="two words"` into (alias, NAME=value).

    Raises:
        ValueError: the text does not consist of settings.
    """
    wrong = (
        "must be settings as alias:NAME=value, separated by blanks, with quotes around blanks, such as "
        "cvmfs:CVMFS_QUOTA_LIMIT=4000"
    )
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError(wrong) from None
    if len(words) > MOST_SETTINGS:
        raise ValueError(f"must be at most {MOST_SETTINGS} settings")
    found = [_SETTING.fullmatch(word) for word in words]
    if not all(found):
        raise ValueError(wrong)
    return [(match[1], match[2]) for match in found if match]


def problems(cluster: ClusterSpec, plugins: str, settings: str) -> list[str]:
    """Which settings and which `volume_driver` have no plug-in, as sentences that name the field."""
    aliases = [alias for alias, _ in parse_plugins(plugins)]
    found = [
        f"label docker_volume_plugin_options: {alias} is not in the label docker_volume_plugins"
        for alias in dict.fromkeys(alias for alias, _ in parse_settings(settings))
        if alias not in aliases
    ]
    driver = cluster.volume_driver
    if driver and driver not in aliases:
        found.append(
            f"volume_driver: {driver} needs an image: add it to the label docker_volume_plugins as {driver}=<image>"
        )
    return found


def files(plugins: str, settings: str) -> list[dict[str, str]]:
    """The files that plugins.sh reads; readable only by root, because settings can be passwords."""
    given: Sequence[tuple[str, str]] = parse_settings(settings)
    return [
        {
            "path": f"{DIRECTORY}/{alias}",
            "content": "".join(f"{line}\n" for line in (image, *(text for name, text in given if name == alias))),
            "mode": "0600",
        }
        for alias, image in parse_plugins(plugins)
    ]
