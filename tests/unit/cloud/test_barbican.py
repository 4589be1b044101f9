"""Reading a certificate container: which requests are made, and what is made of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from shared.cloud.barbican import container_payloads
from shared.domain.errors import NotFound, PermanentError

HOST = "http://barbican.example.org:9311/v1"
CONTAINER = {
    "type": "certificate",
    "name": "old",
    "secret_refs": [
        {"name": "certificate", "secret_ref": f"{HOST}/secrets/5a5e"},
        {"name": "private_key", "secret_ref": f"{HOST}/secrets/77aa/"},
        {"name": "private_key_passphrase", "secret_ref": f"{HOST}/secrets/1bcd"},
    ],
}
ANSWERS = {
    "/containers/90f1": json.dumps(CONTAINER),
    "/secrets/5a5e/payload": "a certificate",
    "/secrets/77aa/payload": "a key",
    "/secrets/1bcd/payload": "words",
}


class KeyManager:
    """Answers as Barbican does, and keeps what it was asked."""

    service_type = "key-manager"

    def __init__(self, status: int | None = None) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self._status = status

    def request(self, path: str, method: str, **arguments: Any) -> requests.Response:
        assert method == "GET"
        self.asked.append((path, arguments.get("headers", {}).get("Accept")))
        answer = requests.Response()
        answer.status_code = self._status or (200 if path in ANSWERS else 404)
        answer._content = ANSWERS.get(path, '{"title": "Not Found"}').encode()
        return answer


def test_secrets_are_asked_for_at_the_address_of_the_catalogue() -> None:
    manager = KeyManager()
    found = container_payloads(manager, f"{HOST}/containers/90f1")  # type: ignore[arg-type]
    assert found == {"certificate": "a certificate", "private_key": "a key", "private_key_passphrase": "words"}
    assert manager.asked == [
        ("/containers/90f1", None),
        ("/secrets/5a5e/payload", "text/plain"),
        ("/secrets/77aa/payload", "text/plain"),
        ("/secrets/1bcd/payload", "text/plain"),
    ]


@pytest.mark.parametrize(("status", "error"), [(None, NotFound), (403, PermanentError)])
def test_what_is_not_there_or_not_ours(status: int | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        container_payloads(KeyManager(status), f"{HOST}/containers/other")  # type: ignore[arg-type]
