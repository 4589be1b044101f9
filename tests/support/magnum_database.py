"""A Magnum database written by the tests themselves, in SQLite, from the facts of Magnum's schema.

It is no oracle: databases that real Magnums made are imported in tests/clients (22.0 and 23.0) and tests/openstack
(Zed). Here one row is quickly made as a test needs it, also in shapes that a real Magnum makes seldom.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization

from shared.domain.clock import utc_now
from shared.pki.authority import make_authority

_COMMON = "id INTEGER PRIMARY KEY, uuid VARCHAR(36), project_id TEXT, created_at DATETIME, updated_at DATETIME"
_OWNED = f"{_COMMON}, user_id TEXT, name TEXT"
TABLES = {
    "cluster_template": f"""{_OWNED}, image_id TEXT, flavor_id TEXT, master_flavor_id TEXT, keypair_id TEXT,
        external_network_id TEXT, fixed_network TEXT, fixed_subnet TEXT, network_driver TEXT, volume_driver TEXT,
        dns_nameserver TEXT, apiserver_port INTEGER, docker_volume_size INTEGER, docker_storage_driver TEXT,
        cluster_distro TEXT, coe TEXT, http_proxy TEXT, https_proxy TEXT, no_proxy TEXT, registry_enabled BOOLEAN,
        labels TEXT, tls_disabled BOOLEAN, public BOOLEAN, server_type TEXT, insecure_registry TEXT,
        master_lb_enabled BOOLEAN, floating_ip_enabled BOOLEAN, hidden BOOLEAN, tags TEXT, driver TEXT""",
    "cluster": f"""{_OWNED}, cluster_template_id TEXT, keypair TEXT, docker_volume_size INTEGER, labels TEXT,
        master_flavor_id TEXT, flavor_id TEXT, stack_id TEXT, api_address TEXT, status TEXT, status_reason TEXT,
        health_status TEXT, health_status_reason TEXT, create_timeout INTEGER, discovery_url TEXT, trust_id TEXT,
        trustee_username TEXT, trustee_user_id TEXT, trustee_password TEXT, coe_version TEXT, container_version TEXT,
        ca_cert_ref TEXT, magnum_cert_ref TEXT, etcd_ca_cert_ref TEXT, front_proxy_ca_cert_ref TEXT,
        fixed_network TEXT, fixed_subnet TEXT, floating_ip_enabled BOOLEAN, master_lb_enabled BOOLEAN""",
    "nodegroup": f"""{_COMMON}, name TEXT, cluster_id TEXT, docker_volume_size INTEGER, labels TEXT, flavor_id TEXT,
        image_id TEXT, node_addresses TEXT, node_count INTEGER, role TEXT, max_node_count INTEGER,
        min_node_count INTEGER, is_default BOOLEAN, stack_id TEXT, status TEXT, status_reason TEXT, version TEXT""",
    "x509keypair": f"""{_COMMON}, user_id TEXT, certificate TEXT, private_key TEXT, private_key_passphrase TEXT,
        intermediates TEXT""",
    "quotas": "id INTEGER PRIMARY KEY, project_id TEXT, resource TEXT, hard_limit INTEGER, created_at, updated_at",
    "federation": f"""{_COMMON}, name TEXT, hostcluster_id TEXT, member_ids TEXT, status TEXT, status_reason TEXT,
        properties TEXT""",
}
BORN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


class MagnumDatabase:
    """Rows are added by keyword; what is not given has a sound value. `url` is what the import takes."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._connection = sqlite3.connect(path)
        for name, columns in TABLES.items():
            self._connection.execute(f"CREATE TABLE {name} ({columns})")

    def close(self) -> None:
        self._connection.close()

    def execute(self, statement: str, *values: Any) -> None:
        self._connection.execute(statement, values)
        self._connection.commit()

    def add(self, table: str, **values: Any) -> str:
        """Insert a row; its uuid."""
        row = {"created_at": BORN.replace(tzinfo=None).isoformat(" "), **values}
        if table != "quotas":
            row.setdefault("uuid", str(uuid4()))
        shown = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in row.items()}
        names, marks = ", ".join(shown), ", ".join("?" for _ in shown)
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *shown.values())
        return str(row.get("uuid"))

    def change(self, table: str, uuid: str, **values: Any) -> None:
        """Update a row, with a later `updated_at` unless one is given."""
        row = {"updated_at": utc_now().replace(tzinfo=None).isoformat(" "), **values}
        shown = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in row.items()}
        assignments = ", ".join(f"{name} = ?" for name in shown)
        self.execute(f"UPDATE {table} SET {assignments} WHERE uuid = ?", *shown.values(), uuid)

    def template(self, **values: Any) -> str:
        sound = {"name": "k8s-fcos", "project_id": "p1", "user_id": "u1", "coe": "kubernetes", "server_type": "vm"}
        sound |= {"image_id": "fedora-coreos", "cluster_distro": "fedora-coreos", "network_driver": "flannel"}
        sound |= {"external_network_id": "public", "flavor_id": "m1.small", "master_flavor_id": "m1.small"}
        flags = {"registry_enabled": 0, "tls_disabled": 0, "public": 0, "hidden": 0, "floating_ip_enabled": 1}
        return self.add("cluster_template", **{**sound, **flags, "labels": {"kube_tag": "v1.23.3"}, **values})

    def cluster(self, template: str, *, workers: int = 1, **values: Any) -> str:
        """A cluster in CREATE_COMPLETE with its two nodegroups and its three authorities."""
        sound: dict[str, Any] = {"name": "old", "project_id": "p1", "user_id": "u1", "status": "CREATE_COMPLETE"}
        sound |= {"cluster_template_id": template, "stack_id": str(uuid4()), "labels": {"kube_tag": "v1.23.3"}}
        sound |= {"api_address": "https://203.0.113.9:6443", "health_status": "HEALTHY", "create_timeout": 60}
        sound |= {"health_status_reason": {"api": "ok"}, "coe_version": "v1.23.3", "flavor_id": "m1.small"}
        sound |= {f"{name}_cert_ref": self.authority() for name in ("ca", "etcd_ca", "front_proxy_ca")}
        row = {**sound, **values}
        uuid = self.add("cluster", **row)
        for role, count, address in (("master", 1, "10.0.0.5"), ("worker", workers, "10.0.0.9")):
            self.nodegroup(
                uuid,
                name=f"default-{role}",
                role=role,
                project_id=row["project_id"],
                is_default=1,
                node_count=count,
                node_addresses=[address] * count,
                stack_id=row["stack_id"],
                status=row["status"],
            )
        return uuid

    def nodegroup(self, cluster: str, **values: Any) -> str:
        sound = {"flavor_id": "m1.small", "image_id": "fedora-coreos", "labels": {}, "min_node_count": 0}
        return self.add("nodegroup", cluster_id=cluster, **{**sound, "project_id": "p1", **values})

    def authority(self, passphrase: str = "opened-by-this") -> str:
        """An authority as Magnum's back end `x509keypair` keeps it: the key encrypted, its passphrase beside it."""
        made = make_authority("old", now=utc_now())
        key = serialization.load_pem_private_key(made.private.encode(), None)
        encrypted = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
        return self.add(
            "x509keypair",
            certificate=made.public,
            private_key=encrypted.decode(),
            private_key_passphrase=passphrase,
            project_id="p1",
        )
