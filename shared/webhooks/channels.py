"""Channels of NOTIFY about webhooks. Notifications only shorten waits; polling guarantees progress."""

from __future__ import annotations

DUE = "jeroboam_webhooks_due"  # there are deliveries to send
CHANGED = "jeroboam_webhooks_changed"  # a user changed a webhook
