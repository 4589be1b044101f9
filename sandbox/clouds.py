"""The clouds.yaml of a simulated cloud's users: `python -m sandbox.clouds --auth-url URL FILE`.

Rule: the file appears complete or not at all. Its passwords are those of the simulated Keystone and protect nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.layout import PASSWORD

USERS = {"jeroboam": "demo", "jeroboam-alt": "alt", "jeroboam-admin": "admin"}


def clouds_yaml(auth_url: str) -> str:
    """The text of the file: cloud `jeroboam` (project demo), `jeroboam-alt`, `jeroboam-admin`.

    Args:
        auth_url: URL of the simulated Keystone, as the users reach it.
    """
    entries = [
        f"  {name}:\n    region_name: RegionOne\n    auth:\n      auth_url: {auth_url}\n"
        f"      username: {user}\n      password: {PASSWORD}\n      project_name: {user}\n"
        "      user_domain_name: Default\n      project_domain_name: Default\n"
        for name, user in USERS.items()
    ]
    return "clouds:\n" + "".join(entries)


def main() -> None:
    """Write the file, readable by everyone."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.clouds", description=__doc__)
    parser.add_argument("--auth-url", required=True)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    new = given.file.with_name(f".{given.file.name}.new")
    new.write_text(clouds_yaml(given.auth_url))
    new.chmod(0o644)
    new.replace(given.file)
    print(f"{given.file} is written")


if __name__ == "__main__":
    main()
