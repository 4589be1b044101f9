"""Glance's REST API: images. Synchronous; runs in the threads of `Calls`.

Rule: an image that is not visible to the user counts as missing. Fields that are not in Glance's schema are properties,
for example `os_distro`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openstack.connection import Connection

from shared.cloud import rest
from shared.cloud.types import Image


def find_image(connection: Connection, name_or_id: str) -> Image | None:
    """See `Cloud.find_image`: images of the project, public images, and accepted shared images."""
    doing = f"find image {name_or_id}"
    if rest.looks_like_id(name_or_id):
        by_id = rest.get_or_none(connection.image, "/images", name_or_id, doing=doing)
        if by_id is not None:
            return _image(by_id)
    by_name = rest.pages(connection.image, "/images", "images", doing=doing, params={"name": name_or_id})
    item = rest.only([item for item in by_name if item["name"] == name_or_id], kind="image", name=name_or_id)
    return None if item is None else _image(item)


def _image(item: Mapping[str, Any]) -> Image:
    return Image(
        id=item["id"],
        name=item.get("name") or "",
        status=item["status"],
        properties={key: value for key, value in item.items() if key not in {"id", "name", "status"}},
    )
