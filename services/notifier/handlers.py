"""Handles notifications of the database, which only wake the parts of the service.

Rule: what is to be done is in the event log and in rows. A lost notification costs at most one interval of polls.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.notifier.dispatcher import Dispatcher
from services.notifier.fan_out import FanOut
from services.notifier.notices import Notices
from shared.events.log import CHANNEL as EVENTS
from shared.webhooks.channels import CHANGED, DUE

CHANNELS = [EVENTS, DUE, CHANGED]


class Handlers:
    """Args:
    fan_out: woken by new events.
    dispatcher: woken by deliveries that are due, and by changes of webhooks.
    notices: woken by new events.
    """

    def __init__(self, fan_out: FanOut, dispatcher: Dispatcher, notices: Sequence[Notices] = ()) -> None:
        self._notices = notices
        self._fan_out = fan_out
        self._dispatcher = dispatcher

    def __call__(self, channel: str) -> None:
        if channel == EVENTS:
            self._fan_out.wake()
            for each in self._notices:
                each.wake()
        elif channel == DUE:
            self._dispatcher.wake()
        else:
            self._dispatcher.look_for_changes()
            self._dispatcher.wake()
