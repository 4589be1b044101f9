"""Which public URLs are accepted: keys go through them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.cloud.settings import CloudSettings
from shared.pki.sealing import new_key
from shared.settings import Settings


def settings(**values: Any) -> Settings:
    cloud = CloudSettings(auth_url="http://keystone.test/v3", username="j", password=SecretStr("x"))
    return Settings(
        database_url=SecretStr("postgresql://x/y"), secret_keys=[SecretStr(new_key())], cloud=cloud, **values
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org:9511",
        "http://127.0.0.1:9511",
        "http://localhost:9511",
        "http://[::1]:9",
        "http://127.9.9.9",
    ],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    assert settings(public_url=url).public_url == url


@pytest.mark.parametrize(
    "url", ["http://api.example.org", "http://10.0.0.1:9511", "http://127.0.0.1.example.org", "http://0.0.0.0"]
)
def test_plain_http_needs_a_setting(url: str) -> None:
    with pytest.raises(ValidationError, match="JEROBOAM_PUBLIC_URL_ALLOW_HTTP"):
        settings(public_url=url)
    assert settings(public_url=url, public_url_allow_http=True).public_url == url


@pytest.mark.parametrize("url", ["api.example.org", "ftp://a.org", "https://", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        settings(public_url=url, public_url_allow_http=True)
