"""Whatever a client writes into `Accept`, and whatever URL it asks: an answer follows from it, never an exception."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from services.api.wire.accept import prefers_json, quality, takes_json
from services.api.wire.routing_errors import allowed_methods, is_magnums, not_here, refused_by_name

TYPES = st.sampled_from(
    ["*/*", "application/*", "application/json", "text/html", "text/plain", "application/problem+json"]
)
QUALITIES = st.sampled_from(["", ";q=0", ";q=0.5", "; q=1.0", ";charset=utf-8;q=0.001"])
RANGES = st.lists(st.tuples(TYPES, QUALITIES).map("".join), min_size=1, max_size=4).map(", ".join)
SEGMENTS = st.sampled_from(
    [
        "clusters",
        "clustertemplates",
        "quotas",
        "nodegroups",
        "actions",
        "resize",
        "detail",
        "certificates",
        "stats",
        "x",
        "",
    ]
)
PATHS = st.lists(SEGMENTS | st.text(max_size=8), max_size=6).map(lambda parts: "/".join(["", "v1", *parts]))
METHODS = st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "FOO"])


@given(st.text(max_size=60) | RANGES)
@example("application/json;q=0.5, text/html;q=0.5")
def test_accept_is_read(accept: str) -> None:
    assert 0 <= quality(accept, "application/json") <= 1
    if prefers_json(accept):
        assert takes_json(accept)


@given(METHODS, PATHS, st.sets(st.sampled_from(["GET", "POST", "PATCH", "DELETE"])))
def test_every_url_without_a_route_is_refused_in_one_way(method: str, path: str, own: set[str]) -> None:
    refusal = refused_by_name(method, path) or not_here(method, path, own - {method})
    assert refusal.status in (400, 404, 405)
    assert ("Allow" in refusal.headers) is (refusal.status == 405)
    allowed = allowed_methods(path, own)
    assert own <= allowed
    if is_magnums(method, path):
        assert method in allowed
