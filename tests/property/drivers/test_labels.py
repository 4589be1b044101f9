"""Whatever the labels say: the driver names what is wrong, or everything it renders can be rendered."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from jeroboam.driver import ClusterSpec, NodegroupSpec
from shared.drivers import checks
from shared.drivers.kubernetes import engine
from shared.drivers.kubernetes.labels import Labels
from shared.stacks import base_stack

NAMES = sorted({field.alias or name for name, field in Labels.model_fields.items()} | {"calico_ipv4pool", "unknown"})
LIKELY = ["", "true", "False", "0", "1", "-1", "10.0.0.0/8", "10.1.0.0/24", "::/0", "v1.34.1", "a,b", "calico", "é"]
labels = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(LIKELY) | st.text(string.printable, max_size=30), max_size=6
)


@given(
    labels=labels,
    group_labels=labels,
    masters=st.sampled_from([1, 3]),
    workers=st.integers(0, 3000),
    balanced=st.booleans(),
    floating=st.booleans(),
    network_driver=st.sampled_from(["flannel", "calico", "cilium", "weave"]),
)
def test_problems_or_a_template(
    labels: dict[str, str],
    group_labels: dict[str, str],
    masters: int,
    workers: int,
    balanced: bool,
    floating: bool,
    network_driver: str,
) -> None:
    cluster = ClusterSpec(
        uuid="01a20000-0000-7000-8000-000000000000",
        name="c",
        project_id="p",
        coe="kubernetes",
        os_distro="ubuntu",
        server_type="vm",
        labels=labels,
        external_network_id="ext",
        network_driver=network_driver,
        floating_ip_enabled=floating,
        master_lb_enabled=masters > 1,
        load_balancer=balanced,
    )
    groups = [
        NodegroupSpec("g1", "default-master", "master", "m", "i", masters, hardware="vm"),
        NodegroupSpec("g2", "default-worker", "worker", "m", "i", workers, labels=group_labels, hardware="vm"),
    ]
    problems = checks.problems(engine, cluster, groups)
    assert all(isinstance(problem, str) and problem for problem in problems)
    if not problems:
        assert all(number >= 0 for number in checks.needs(engine, cluster, groups).values())
        outputs = base_stack.render(engine, cluster, groups)["outputs"]
        assert {"api_address", "api_private_address"} <= outputs.keys()
        assert engine.version(cluster).startswith("v1.")
