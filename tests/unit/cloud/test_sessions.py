"""Which connections are kept, and what they carry."""

from __future__ import annotations

from typing import Any

import requests
from pydantic import SecretStr

from shared.cloud.sessions import Sessions, TimeoutAdapter
from shared.cloud.settings import CloudSettings


def sessions(**changes: Any) -> Sessions:
    values: dict[str, Any] = {"auth_url": "http://k", "username": "u", "password": SecretStr("p"), **changes}
    return Sessions(CloudSettings(**values))


def answer() -> dict[str, Any]:
    return {
        "token": {
            "user": {"id": "u", "name": "n", "domain": {"id": "d", "name": "d"}},
            "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}},
            "expires_at": "2099-01-01T00:00:00Z",
            "catalog": [],
        }
    }


def test_a_projects_connection_is_kept_until_forgotten() -> None:
    made = sessions()
    first = made.for_project("p1")
    assert made.for_project("p1") is first
    assert made.for_project("p2") is not first
    made.forget("p1")
    assert made.for_project("p1") is not first
    made.forget("never seen")
    made.close()


def test_the_least_recently_used_goes_first() -> None:
    made = sessions(connections=2)
    one, two = made.for_project("p1"), made.for_project("p2")
    assert made.for_project("p1") is one
    made.for_project("p3")
    assert made.for_project("p1") is one
    assert made.for_project("p2") is not two
    made.close()


def test_a_token_is_carried_as_it_is_and_never_confused_with_another() -> None:
    made = sessions()
    one = made.for_answer("token-1", answer())
    assert one.session.get_token() == "token-1"
    assert one.session.get_project_id() == "p"
    assert made.for_answer("token-1", answer()) is one
    assert made.for_answer("token-2", answer()) is not one
    assert made.for_project("token-1") is not one
    made.close()


def test_sockets_and_version_documents_are_shared() -> None:
    made = sessions()
    one, two = made.for_project("p1").session, made.for_project("p2").session
    assert one.session is two.session
    assert one._discovery_cache is two._discovery_cache
    made.close()


def test_no_request_is_without_a_timeout(monkeypatch: Any) -> None:
    seen: list[Any] = []

    def send(self: Any, request: Any, **kwargs: Any) -> requests.Response:
        seen.append(kwargs["timeout"])
        return requests.Response()

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    adapter = TimeoutAdapter((5, 60), 4)
    request = requests.Request("GET", "http://k/").prepare()
    adapter.send(request, timeout=None)
    adapter.send(request, timeout=9999)
    adapter.send(request)
    assert seen == [(5, 60)] * 3


def test_settings_are_completed() -> None:
    settings = CloudSettings(auth_url="https://k/", username="u", password=SecretStr("p"))
    assert settings.auth_url == "https://k/v3"
    assert CloudSettings(auth_url="https://k/v3", username="u", password=SecretStr("p")) == settings
    assert settings.verify is True
    assert settings.model_copy(update={"cacert": "/ca.pem"}).verify == "/ca.pem"
    assert settings.model_copy(update={"insecure": True, "cacert": "/ca.pem"}).verify is False
    assert "p" not in repr(settings.password)
