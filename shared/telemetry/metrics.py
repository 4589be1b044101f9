"""Prometheus metrics of the kernel, with low cardinality (no IDs of clusters or projects)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS_PUBLISHED = Counter("jeroboam_events_published_total", "Events confirmed by the bus")
RELAY_LAG = Histogram(
    "jeroboam_relay_lag_seconds",
    "Seconds from the transaction of an event to its confirmation, for the oldest event of each batch",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
RELAY_FAILURES = Counter(
    "jeroboam_relay_failures_total",
    "Events that were not published: unroutable or refused by the broker; batches that an error delayed",
    ["reason"],
)
OPERATIONS_ENDED = Counter(
    "jeroboam_operations_ended_total", "Operations that reached a final state", ["kind", "state"]
)
OPERATION_SECONDS = Histogram(
    "jeroboam_operation_seconds",
    "Seconds from the request to the final state",
    ["kind"],
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1200, 3600),
)
STEP_ATTEMPTS = Counter("jeroboam_step_attempts_total", "Attempts of a step", ["kind", "step", "outcome"])
OPERATIONS_ACTIVE = Gauge("jeroboam_operations_active", "Operations that this process is running")
CLOUD_QUERIES = Counter(
    "jeroboam_cloud_queries_total", "Requests to OpenStack that requests of the API waited for", ["service"]
)
CLOUD_CALLS = Counter(
    "jeroboam_cloud_calls_total", "Calls of OpenStack by what they do, such as `create stack`", ["call", "outcome"]
)
CLOUD_CALL_SECONDS = Histogram(
    "jeroboam_cloud_call_seconds",
    "Seconds from a call of OpenStack to its response, with the time in the queue of threads",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
CLOUD_CALLS_ACTIVE = Gauge(
    "jeroboam_cloud_calls_active", "Calls of OpenStack in progress, with those that wait for a thread"
)
LEASES_LOST = Counter("jeroboam_leases_lost_total", "Writes rejected because another process holds the lease")
# What waits in the database; the monitor reads it, and each of its instances exports the same values.
OPERATIONS_DUE = Gauge("jeroboam_operations_due", "Operations that are due and not claimed by a process")
OPERATIONS_DUE_AGE = Gauge("jeroboam_operations_due_age_seconds", "Seconds for which the oldest of them has been due")
EVENTS_UNPUBLISHED = Gauge("jeroboam_events_unpublished", "Events that the bus has not confirmed")
EVENTS_UNPUBLISHED_AGE = Gauge("jeroboam_events_unpublished_age_seconds", "Age of the oldest of them, seconds")
DEAD_LETTERS = Gauge("jeroboam_dead_letters", "Messages that no consumer could process, and that were not replayed")
WEBHOOK_ATTEMPTS = Counter("jeroboam_webhook_attempts_total", "Attempts to deliver an event to a webhook", ["outcome"])
WEBHOOK_LAG = Histogram(
    "jeroboam_webhook_lag_seconds",
    "Seconds from the transaction of an event to the response of the receiver, for deliveries that needed one attempt",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60),
)
WEBHOOKS_DISABLED = Counter("jeroboam_webhooks_disabled_total", "Webhooks that were disabled after failures")
ORPHANS = Gauge("jeroboam_orphans", "Resources in the cloud whose cluster was deleted")
WEBHOOKS_ACTIVE = Gauge("jeroboam_webhooks_active", "Webhooks for which this process is sending")
STREAMS_OPEN = Gauge("jeroboam_streams_open", "Event streams that this process serves")
STREAMS_CUT = Counter(
    "jeroboam_streams_cut_total", "Event streams that were ended because their client was too slow", ["limit"]
)
NOTIFICATIONS = Counter(
    "jeroboam_openstack_notifications_total", "Notifications received from OpenStack's RabbitMQ", ["outcome"]
)
NOTIFICATION_LAG = Histogram(
    "jeroboam_openstack_notification_lag_seconds",
    "Seconds from the arrival of a notification about the server of a node to the end of the look at Nova",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
CONNECTIONS = Gauge("jeroboam_api_connections", "Connections to the API that are open")
CONNECTIONS_ENDED = Counter(
    "jeroboam_api_connections_ended_total", "Connections to the API that were refused or ended by a limit", ["limit"]
)
RATES_EXCEEDED = Counter("jeroboam_api_rates_exceeded_total", "Requests refused because of a rate", ["limit"])
AUDITED = Counter(
    "jeroboam_audit_records_total",
    "Records of the audit log: stored, limited by a rate, or failed",
    ["outcome"],
)
LINES_SUPPRESSED = Counter("jeroboam_log_lines_suppressed_total", "Lines that were not logged because of their number")
PRUNED = Counter("jeroboam_pruned_rows_total", "Rows that were deleted because they were old", ["table"])
