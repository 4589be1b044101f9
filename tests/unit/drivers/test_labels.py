"""Labels: what is taken, what is refused and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jeroboam.driver import Bootstrap
from jeroboam.testing.cases import Case, make_case
from shared.drivers.kubernetes.label_types import parse_options
from shared.drivers.kubernetes.labels import read_labels
from tests.support.kubernetes import driver, engine, problems

# All of Magnum's own label names, with a value a template of it might carry.
MAGNUM = (
    "flannel_network_cidr=10.100.0.0/16 flannel_backend=vxlan flannel_network_subnetlen=24 "
    "system_pods_initial_delay=30 system_pods_timeout=5 admission_control_list=NamespaceLifecycle "
    "prometheus_monitoring=False grafana_admin_passwd=admin kube_dashboard_enabled=True "
    "etcd_volume_size=0 cert_manager_api=False "
    "ingress_controller_role=ingress octavia_ingress_controller_tag=v1.18.0 kubelet_options= kubeapi_options= "
    "kubeproxy_options= kubecontroller_options= kubescheduler_options= influx_grafana_dashboard_enabled=False "
    "master_lb_allowed_cidrs=0.0.0.0/0 octavia_provider=amphora octavia_lb_algorithm=ROUND_ROBIN "
    "octavia_lb_healthcheck=True coredns_tag=1.6.6 hyperkube_prefix=x/ container_infra_prefix= availability_zone=nova "
    "cgroup_driver=cgroupfs container_runtime=containerd containerd_version=1.4.4 containerd_tarball_url= "
    "containerd_tarball_sha256=00 calico_tag=v3.21.2 calico_ipv4pool_ipip=Off cinder_csi_enabled=True "
    "cinder_csi_plugin_tag=v1.34.0 csi_attacher_tag=v4.7.0 csi_provisioner_tag=v5.1.0 csi_snapshotter_tag=v4.2.1 "
    "csi_resizer_tag=v1.12.0 csi_node_driver_registrar_tag=v2.12.0 csi_liveness_probe_tag=v2.14.0 etcd_tag=v3.4.6 "
    "flannel_tag=v0.26.1 flannel_cni_tag=v1.5.1 cloud_provider_tag=v1.34.0 prometheus_tag=v1 grafana_tag=5 "
    "heat_container_agent_tag=w keystone_auth_enabled=True k8s_keystone_auth_tag=v1 heapster_enabled=False "
    "metrics_server_enabled=True metrics_server_chart_tag=v3.7.0 monitoring_enabled=False monitoring_retention_days=14 "
    "monitoring_retention_size=14 monitoring_interval_seconds=30 monitoring_storage_class_name= "
    "monitoring_ingress_enabled=False cluster_basic_auth_secret= cluster_root_domain_name=localhost "
    "prometheus_operator_chart_tag=v8 prometheus_adapter_enabled=True prometheus_adapter_chart_tag=1.4.0 "
    "prometheus_adapter_configmap= selinux_mode=enforcing helm_client_url= helm_client_sha256=00 helm_client_tag=v3 "
    "traefik_ingress_controller_tag=v1 node_problem_detector_tag=v0 nginx_ingress_controller_tag=0 "
    "nginx_ingress_controller_chart_tag=4 auto_healing_enabled=False auto_scaling_enabled=False "
    "auto_healing_controller=draino magnum_auto_healer_tag=v1 draino_tag=a autoscaler_tag=v1 min_node_count=0 "
    "max_node_count=3 npd_enabled=True ostree_remote= ostree_commit= use_podman=True kube_image_digest= "
    "metrics_scraper_tag=v1 boot_volume_size=0 boot_volume_type= etcd_volume_type= docker_volume_type= "
    "fixed_subnet_cidr=10.0.0.0/24 service_cluster_ip_range=10.254.0.0/16 ingress_controller= "
    "cloud_provider_enabled=true dns_service_ip=10.254.0.10 dns_cluster_domain=cluster.local "
    "master_lb_floating_ip_enabled=false"
)


def test_magnums_own_labels_are_no_problem() -> None:
    labels = dict(pair.split("=", 1) for pair in MAGNUM.split())
    case = make_case(driver).with_labels(**labels)
    assert problems(case) == []
    read = read_labels(case.cluster)
    assert (read.pods_network_cidr, read.boot_volume_type, read.api_floating_ip) == ("10.100.0.0/16", None, False)


@pytest.mark.parametrize("text", ["True", "true", "TRUE", "1", "yes", " true "])
def test_truth_is_written_in_many_ways(text: str) -> None:
    assert read_labels(make_case(driver).with_labels(cinder_csi_enabled=text).cluster).cinder_csi_enabled


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("kube_tag", "v1.23.3-rancher1", "at least v1.31.0, such as v1.34.2"),
        ("kube_tag", "v1.30.9", "at least v1.31.0"),
        ("kube_tag", "latest", "at least v1.31.0"),
        ("pods_network_cidr", "10.0.0.1/14", "must be an IPv4 network"),
        ("pods_network_cidr", "10.200.0.0/24", "no /24 for each of 3 nodes"),
        ("pods_network_cidr", "32.0.0.0/5", "too large for /24 subnets"),
        ("fixed_subnet_cidr", "10.0.0.0/29", "too few addresses for 3 nodes"),
        ("pods_network_cidr", "0.0.0.0/0", "must be a network of addresses for machines"),
        ("fixed_subnet_cidr", "224.0.0.0/20", "224.0.0.0/4 is not"),
        ("fixed_subnet_cidr", "127.0.0.0/20", "127.0.0.0/8 is not"),
        ("service_cluster_ip_range", "169.254.0.0/16", "169.254.0.0/16 is not"),
        ("service_cluster_ip_range", "10.0.0.0/8", "must be between a /12 and a /28"),
        ("dns_service_ip", "10.254.0.53", "must be 10.254.0.10, the tenth"),
        ("cloud_provider_enabled", "perhaps", "valid boolean"),
        ("boot_volume_size", "-1", "greater than or equal to 0"),
        ("boot_volume_size", "ten", "whole number such as 20"),
        ("master_lb_allowed_cidrs", "10.0.0.0/8,nonsense", "networks separated by commas"),
        ("container_infra_prefix", "registry example", "registry prefix"),
        ("kubernetes_apt_mirror", "mirror.example.org", "must be a URL"),
        ("cni_manifest_url", "https://a.example.org/'; rm -rf /", "must be a URL"),
        ("kubelet_options", "-v 2", "must be options such as --v=2"),
        ("kubelet_options", "--v 2 3", "must be options such as --v=2 or --v 2, not '3'"),
        ("kubelet_options", "--v=2 3", "not '3'"),
        ("kubelet_options", "--profiling -v 3", "not '-v'"),
        ("kubelet_options", "--root-dir='/a b'", "the value of --root-dir must be without white space, quotes"),
        ("kubelet_options", "--root-dir='\"'", "the value of --root-dir must be without white space, quotes"),
        *(("boot_volume_size", value, "whole number such as 20") for value in ("00", "1_0", "+5", "5.0", "0.0", "05")),
        ("flannel_network_subnetlen", "2_4", "whole number such as 20"),
        *(
            ("container_infra_prefix", value, "in lower case, no scheme")
            for value in (
                *(
                    "https://registry.example.org/a/",
                    "Registry.example.org/a/",
                    "registry.example.org/Mirror",
                    "a//b",
                    "/",
                ),
                *("registry.example.org:99999/a", "registry.example.org:/a", "../a", "a/../b", "a b", "a" * 200),
            )
        ),
        *(
            ("dns_cluster_domain", value, "must be a DNS name in lower case such as cluster.local")
            for value in (
                "a..b",
                ".a",
                "a.",
                "-a.b",
                "a-.b",
                "Cluster.local",
                "a_b",
                "x" * 64,
                "a." * 126 + "ab",
                "a\nb",
            )
        ),
        ("octavia_provider", "amphora\nx", "the name of one of Octavia's providers"),
        ("octavia_provider", "two words", "the name of one of Octavia's providers"),
        ("availability_zone", "nova:host-1", "without hosts"),
        ("availability_zone", "a\nb", "printable characters"),
        ("boot_volume_type", "x" * 256, "at most 255 printable characters"),
        ("docker_volume_type", "a\tb", "at most 255 printable characters"),
        ("master_lb_allowed_cidrs", "2001:db8::/64", "must be IPv4 networks separated by commas"),
        ("master_lb_allowed_cidrs", ",", "must name at least one IPv4 network"),
        ("master_lb_allowed_cidrs", "10.0.0.1/8", "has host bits set"),
        ("post_install_manifest_url", "https://a.example.org:99999/x", "must be a URL"),
        ("post_install_manifest_url", "https://[::1/x", "must be a URL"),
        ("post_install_manifest_url", "https://a.example.org/`id`", "must be a URL"),
        ("kubeapi_options", "--a='", "must be options such as --v=2"),
        ("flannel_backend", "udp", "'vxlan' or 'host-gw'"),
        ("octavia_lb_algorithm", "RANDOM", "'ROUND_ROBIN'"),
        ("flannel_tag", "v1\n", ""),
    ],
)
def test_a_wrong_label_is_named(label: str, value: str, said: str) -> None:
    case = make_case(driver).with_labels(**{label: value})
    found = problems(case)
    if not said:
        assert found == [], "space around a value is no error"
        return
    assert len(found) == 1, found
    assert found[0].startswith(f"label {label}: ")
    assert said in found[0]


def test_all_problems_are_told_at_once() -> None:
    case = make_case(driver).with_labels(kube_tag="v9", boot_volume_size="x", cinder_csi_enabled="maybe")
    assert len(problems(case)) == 3


@pytest.mark.parametrize("network", ["calico", "cilium"])
def test_networks_that_are_not_built_in_need_a_manifest(network: str) -> None:
    case = make_case(driver).with_cluster(network_driver=network)
    (problem,) = problems(case)
    assert problem.startswith(f"label cni_manifest_url: network driver {network}")
    given = case.with_labels(cni_manifest_url="https://mirror.example.org/calico.yaml")
    assert problems(given) == []


def test_networks_may_not_overlap() -> None:
    case = make_case(driver).with_labels(pods_network_cidr="10.252.0.0/14")
    (problem,) = problems(case)
    assert "pods_network_cidr (10.252.0.0/14) overlaps service_cluster_ip_range (10.254.0.0/16)" in problem


def test_a_nodegroups_labels_go_before_the_clusters() -> None:
    case = make_case(driver).with_labels(boot_volume_size="10")
    group = replace(case.workers, labels={"boot_volume_size": "20"})
    assert read_labels(case.cluster, group).boot_volume_size == 20
    assert read_labels(case.cluster, case.masters).boot_volume_size == 10


def test_zones_go_round() -> None:
    labels = read_labels(make_case(driver).with_labels(availability_zone="a, b,c").cluster)
    assert [labels.availability_zone(index) for index in range(4)] == ["a", "b", "c", "a"]


def test_the_operators_manifest_stands_in_for_one_of_the_clusters_own() -> None:
    case = make_case(driver, "octavia").with_labels(network_driver="calico")
    (problem,) = problems(case)
    assert problem.startswith("label cni_manifest_url:")
    operators = "https://mirror.example.org/calico.yaml"
    case = case.with_cluster(cni_manifest_url=operators)
    assert problems(case) == []
    assert f"CNI_MANIFEST_URL={operators}\n" in environment(case)
    own = case.with_labels(cni_manifest_url="https://mirror.example.org/own.yaml")
    assert "CNI_MANIFEST_URL=https://mirror.example.org/own.yaml\n" in environment(own)
    assert "CNI_MANIFEST_URL=''\n" in environment(case.with_labels(network_driver="flannel")), "flannel is built in"


def environment(case: Case) -> str:
    """The first master's node.env."""
    found = engine.bootstrap(case.context(case.nodes[0]))
    assert isinstance(found, Bootstrap)
    (text,) = [file["content"] for file in found.files if file["path"].endswith("/node.env")]
    return text


def with_workers(case: Case, **labels: str) -> Case:
    return replace(case, workers=replace(case.workers, labels=labels))


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("pods_network_cidr", "10.96.0.0/12"),
        ("flannel_network_cidr", "10.96.0.0/12"),
        ("calico_ipv4pool", "10.96.0.0/12"),
        ("calico_ipv4pool", "pods"),
        ("service_cluster_ip_range", "10.253.0.0/16"),
        ("dns_cluster_domain", "other.local"),
        ("network_driver", "calico"),
        ("kube_proxy_mode", "ipvs"),
        ("kubeapi_options", "--v=9"),
        ("fixed_subnet_cidr", "10.1.0.0/24"),
        ("octavia_lb_healthcheck", "false"),
        ("kube_tag", "v1.34.3"),
        ("kube_tag", "v1.35.0"),
    ],
)
def test_a_nodegroup_does_not_contradict_its_cluster(label: str, value: str) -> None:
    case = make_case(driver).with_labels(kube_tag="v1.34.2", cni_manifest_url="https://a.example.org/c.yaml")
    found = problems(with_workers(case, **{label: value}))
    assert len(found) == 1, found
    assert found[0].startswith((f"label {label}: ", "label pods_network_cidr: "))


def test_a_name_of_the_pod_network_that_another_goes_before_counts() -> None:
    case = make_case(driver).with_labels(pods_network_cidr="10.100.0.0/16")
    (problem,) = problems(with_workers(case, calico_ipv4pool="10.101.0.0/16"))
    assert problem.startswith("label calico_ipv4pool: 10.101.0.0/16 differs from the cluster's pod network 10.100.0.0")


def test_a_kubelet_is_not_too_old_for_the_api_servers() -> None:
    case = make_case(driver).with_labels(kube_tag="v1.35.0")
    assert problems(with_workers(case, kube_tag="v1.32.9")) == []
    (problem,) = problems(with_workers(case, kube_tag="v1.31.9"))
    assert problem.startswith("label kube_tag: nodes of v1.31.9 cannot join API servers of v1.35.0; they may be at mos")


def test_labels_of_machines_may_differ_in_a_nodegroup() -> None:
    case = make_case(driver).with_labels(kube_tag="v1.34.2", pods_network_cidr="10.100.0.0/16", boot_volume_size="10")
    same = {"pods_network_cidr": "10.100.0.0/16", "calico_ipv4pool": "10.100.0.0/16", "cinder_csi_enabled": "yes"}
    own = {"boot_volume_size": "20", "availability_zone": "b", "kubelet_options": "--v=2", "kube_tag": "v1.34.1"}
    assert problems(with_workers(case, **same, **own, unknown="x")) == []


def test_options_may_have_their_values_after_a_space() -> None:
    text = "--max-pods 50 --v=2 --profiling --oom-score-adj -999 --feature-gates A=true,B=false"
    case = make_case(driver).with_labels(kubelet_options=text)
    assert problems(case) == []
    assert parse_options(text) == [
        ("max-pods", "50"),
        ("v", "2"),
        ("profiling", "true"),
        ("oom-score-adj", "-999"),
        ("feature-gates", "A=true,B=false"),
    ]


@pytest.mark.parametrize(
    "prefix", ["registry.example.org/mirror", "10.0.0.1:5000/", "localhost:5000/a/b__c-d", "mirror"]
)
def test_registry_prefixes(prefix: str) -> None:
    case = make_case(driver).with_labels(container_infra_prefix=prefix)
    assert problems(case) == []
    assert read_labels(case.cluster).container_infra_prefix == f"{prefix.rstrip('/')}/"


@pytest.mark.parametrize(
    ("provider", "algorithm", "used"),
    [
        ("", "", "ROUND_ROBIN"),
        ("amphora", "SOURCE_IP", "SOURCE_IP"),
        ("ovn", "", "SOURCE_IP_PORT"),
        ("ovn", "SOURCE_IP_PORT", "SOURCE_IP_PORT"),
        ("ovn", "ROUND_ROBIN", None),
        ("ovn", "SOURCE_IP", None),
        ("amphora", "SOURCE_IP_PORT", None),
        ("", "SOURCE_IP_PORT", None),
    ],
)
def test_the_algorithm_is_one_the_provider_has(provider: str, algorithm: str, used: str | None) -> None:
    case = make_case(driver, "octavia").with_labels(octavia_provider=provider, octavia_lb_algorithm=algorithm)
    found = problems(case)
    if used is None:
        (problem,) = found
        assert problem.startswith(f"label octavia_lb_algorithm: {algorithm} is not what octavia_provider")
        return
    assert found == []
    assert case.base()["resources"]["api_pool"]["properties"]["lb_algorithm"] == used
    found_files = engine.bootstrap(case.context(case.nodes[0]))
    assert isinstance(found_files, Bootstrap)
    (cloud,) = [each["content"] for each in found_files.files if "lb-method" in each["content"]]
    assert f'lb-method = "{used}"' in cloud


def test_the_api_takes_no_port_of_another_part() -> None:
    (problem,) = problems(make_case(driver).with_cluster(apiserver_port=10250))
    assert problem.startswith("apiserver_port: 10250 is used by other parts of Kubernetes on masters (2379, 2380, ")
    assert problems(make_case(driver).with_cluster(apiserver_port=16443)) == []
