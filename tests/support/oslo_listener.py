"""Run by the Python of a real Magnum's environment: listens to notifications with oslo.messaging, and checks them.

    oslo_listener.py URL EXCHANGE COUNT

Prints `listening`, then each notification as a line of JSON, with what pycadf says of its payload and with the keys
that Magnum's own code puts into one. It is no part of Jeroboam's environment, so it imports nothing of it.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any
from unittest import mock


def of_magnum() -> dict[str, Any]:
    """A payload as Magnum's conductor makes it."""
    from magnum.conductor import utils
    from pycadf import cadftaxonomy

    class Cluster:
        def __getattr__(self, name: str) -> str:
            return f"the {name}"

    notifier = mock.Mock()
    with mock.patch("magnum.common.rpc.get_notifier", return_value=notifier):
        context = mock.Mock(user_id="u1", project_id="p1", domain_id=None)
        utils.notify_about_cluster_operation(
            context, cadftaxonomy.ACTION_CREATE, cadftaxonomy.OUTCOME_PENDING, Cluster()
        )
    _, event_type, payload = notifier.info.call_args[0]
    return {"event_type": event_type, "payload": payload}


def is_valid(payload: dict[str, Any]) -> bool:
    """Whether pycadf takes the payload for an event."""
    from pycadf import attachment, event, resource

    def part(name: str) -> Any:
        given = payload[name]
        made = resource.Resource(id=given["id"], typeURI=given["typeURI"], name=given.get("name"))
        for one in given.get("attachments", ()):
            made.add_attachment(attachment.Attachment(**one))
        return made

    found = event.Event(
        eventType=payload["eventType"],
        id=payload["id"],
        eventTime=payload["eventTime"],
        action=payload["action"],
        outcome=payload["outcome"],
        initiator=part("initiator"),
        target=part("target"),
        observer=part("observer"),
    )
    return bool(found.is_valid())


class Endpoint:
    """What oslo.messaging calls for a notification; by its level."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = threading.Event()

    def info(self, *told: Any) -> None:
        self._take("info", *told)

    def error(self, *told: Any) -> None:
        self._take("error", *told)

    def _take(self, level: str, context: Any, publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        line = {
            "level": level,
            "publisher_id": publisher,
            "event_type": event_type,
            "payload": payload,
            "metadata": metadata,
            "valid": is_valid(payload),
        }
        print(json.dumps(line), flush=True)
        self.left -= 1
        if not self.left:
            self.done.set()


def main() -> None:
    """Listen until COUNT notifications have come."""
    import oslo_messaging
    from oslo_config import cfg

    url, exchange, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print(json.dumps(of_magnum()), flush=True)
    conf = cfg.ConfigOpts()
    conf([])
    transport = oslo_messaging.get_notification_transport(conf, url=url.replace("amqp://", "rabbit://", 1))
    endpoint = Endpoint(count)
    target = oslo_messaging.Target(topic="notifications", exchange=exchange)
    listener = oslo_messaging.get_notification_listener(transport, [target], [endpoint], executor="threading")
    listener.start()
    print("listening", flush=True)
    finished = endpoint.done.wait(60)
    listener.stop()
    listener.wait()
    sys.exit(0 if finished else 1)


if __name__ == "__main__":
    main()
