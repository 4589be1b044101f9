"""kubeadm 1.20 and 1.21 for scripts that think they are today's: versions and configuration translated, nothing else.

What 1.20 does not know of today's configuration is its form only: arguments are a mapping, the socket a path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HAVE = {os.environ["WANTED_VERSION"]: "v1.20.2", os.environ["NEXT_VERSION"]: "v1.21.0"}
CHOSEN = Path(os.environ["RUN"]) / "kubeadm-version"  # written by apt-get
INSTALLED = CHOSEN.read_text().strip() if CHOSEN.exists() else os.environ["WANTED_VERSION"]
PROGRAMS = Path(os.environ["JEROBOAM_KUBEADM"])
REAL = str((PROGRAMS / "next" if os.environ["NEXT_VERSION"] == INSTALLED else PROGRAMS) / "kubeadm")
TRANSLATED = Path("/etc/jeroboam/kubeadm.v1beta2.yaml")
# There is no systemd here, and the machine may have swap and a full disk.
KUBELET = {
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": f"/jeroboam-{os.uname().nodename}",
    "failSwapOn": False,
    "evictionHard": {"memory.available": "50Mi"},
    "imageGCHighThresholdPercent": 100,
    "resolvConf": "",
}


def with_mappings(value: Any) -> Any:
    if isinstance(value, list):
        return [with_mappings(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: {each["name"]: each["value"] for each in item} if name.endswith("xtraArgs") else with_mappings(item)
        for name, item in value.items()
    }


def translated(document: dict[str, Any]) -> dict[str, Any]:
    document = with_mappings(document)
    if document["apiVersion"].startswith("kubeadm."):
        document["apiVersion"] = "kubeadm.k8s.io/v1beta2"
        document.pop("encryptionAlgorithm", None)  # version 1.20 makes RSA keys, and takes authorities of both kinds
    if "kubernetesVersion" in document:
        document["kubernetesVersion"] = HAVE[document["kubernetesVersion"]]
    if "nodeRegistration" in document:
        registration = document["nodeRegistration"]
        registration["criSocket"] = registration["criSocket"].removeprefix("unix://")
    return document | KUBELET if document["kind"] == "KubeletConfiguration" else document


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["version"]:
        print(INSTALLED)
        return 0
    for today, real in HAVE.items():
        arguments = [argument.replace(today, real) for argument in arguments]
    if arguments[0] in ("init", "join"):
        place = arguments.index("--config") + 1
        documents = yaml.safe_load_all(Path(arguments[place]).read_text())
        TRANSLATED.write_text(yaml.safe_dump_all([translated(each) for each in documents]))
        arguments[place] = str(TRANSLATED)
    if arguments[0] in ("init", "join", "upgrade"):
        arguments.append("--ignore-preflight-errors=all")
    done = subprocess.run([REAL, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    said = done.stdout
    if arguments[0] == "config":
        for today, real in HAVE.items():
            said = said.replace(real, today)
    sys.stdout.write(said)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
