"""Settings of what others may send, hold and leave behind: `JEROBOAM_LIMITS__*` and `JEROBOAM_RETENTION__*`.

Rule: a refusal names the setting that it comes from, as `limits.<name>`. All limits of rates and connections are for
one process of the API.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class LimitSettings(BaseModel):
    """`JEROBOAM_LIMITS__*`: sizes, numbers and rates of requests."""

    body_bytes: int = Field(default=65536, ge=1024, description="body of a request, where no other limit is named")
    body_bytes_definition: int = Field(
        default=131072, ge=1024, description="body of a request for clusters, their nodegroups, and templates"
    )
    body_bytes_report: int = Field(default=65536, ge=1024, description="body of what the agent of a node sends")
    body_bytes_csr: int = Field(default=32768, ge=1024, description="body of a request for a certificate")
    json_depth: int = Field(default=20, ge=4, le=200, description="levels of objects and lists in a body")
    json_elements: int = Field(default=10000, ge=100, description="values and members of all objects and lists")
    labels: int = Field(default=300, ge=1, description="labels of a cluster, template or nodegroup")
    labels_bytes: int = Field(default=32768, ge=256, description="names and values of all of these labels")
    page_bytes: int = Field(default=2 * 2**20, ge=65536, description="rows of a list after which its page ends")
    templates_per_project: int = Field(default=200, ge=0)
    nodegroups_per_cluster: int = Field(default=100, ge=2, description="nodegroups, with those a cluster begins with")
    federations_per_project: int = Field(default=50, ge=0)

    header_bytes: int = Field(default=32768, ge=4096, description="URL and headers of a request")
    headers: int = Field(default=100, ge=10, description="number of headers of a request")
    head_seconds: float = Field(default=10, gt=0, description="from a connection, or its next request, to its headers")
    body_seconds: float = Field(default=30, gt=0, description="from the headers of a request to the end of its body")
    write_seconds: float = Field(default=60, gt=0, description="a client that takes nothing for this long is cut")
    keep_alive_seconds: int = Field(default=5, ge=1, description="how long a connection waits for another request")
    unsent_bytes: int = Field(
        default=256 * 2**20, ge=2**20, description="responses that wait for slow clients; beyond, the largest are cut"
    )
    connections: int = Field(
        default=20000, ge=1, description="open connections; fewer if the process may not open as many files"
    )
    connections_per_address: int = Field(
        default=4000, ge=1, description="open connections from one address that is not a trusted proxy"
    )

    requests_per_user: float = Field(default=500, gt=0, description="requests of one user in a second")
    requests_per_project: float = Field(default=1000, gt=0, description="requests of one project in a second")
    requests_per_node: float = Field(default=10, gt=0, description="requests of one node in a second")
    reports_per_node: float = Field(default=60, gt=0, description="reports of one node in a minute")
    changes_per_node: float = Field(
        default=10, gt=0, description="reports of one node in a minute that can change its state and cause an event"
    )
    unknown_tokens_per_address: float = Field(
        default=20, gt=0, description="tokens in a second that Keystone did not know, from one address"
    )
    burst_seconds: float = Field(default=5, ge=1, description="how many seconds of a rate may be used at once")


class RetentionSettings(BaseModel):
    """`JEROBOAM_RETENTION__*`: when the monitor deletes what is over."""

    events_days: float = Field(default=30, gt=0, description="events; older cursors then answer 410")
    operations_days: float = Field(default=90, gt=0, description="finished operations, except the last of each cluster")
    deleted_clusters_days: float = Field(
        default=400, gt=0, description="the last operation of a deleted cluster, by which its orphans are recognized"
    )
    idempotency_hours: float = Field(default=24, ge=24, description="responses for an Idempotency-Key")
    heartbeats_days: float = Field(default=7, ge=1, description="processes that ended")
    dead_letters_days: float = Field(default=30, gt=0)
    pause_seconds: float = Field(default=300, gt=0, description="from one pass to the next")
    batch: int = Field(default=500, ge=1, le=10000, description="rows that one transaction deletes")
    most_batches: int = Field(default=200, ge=1, description="transactions for one table in one pass")
