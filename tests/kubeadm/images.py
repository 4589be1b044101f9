"""Container images of programs on this machine, as archives containerd imports: no registry is asked."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

REGISTRY = "registry.test/kubernetes"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# With `-v` it ends, as the real one: `kubeadm upgrade` runs it to see whether pods start.
_PAUSE = """
#include <signal.h>
#include <string.h>
#include <unistd.h>
static void end(int number) { _exit(number & 0); }
int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "-v") == 0) return 0;
    signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause();
}
"""


def make_images(programs: Path, directory: Path) -> list[Path]:
    """An archive each for the control plane of both versions, etcd and the pause program, which is any workload.

    Args:
        programs: where Kubernetes was built.
    """
    pause = directory / "pause"
    subprocess.run(
        ["gcc", "-static", "-Os", "-x", "c", "-", "-o", str(pause)], input=_PAUSE.encode(), check=True, timeout=60
    )
    named = {
        **{f"{each}:v1.20.2": programs / each for each in _CONTROL_PLANE},
        **{f"{each}:v1.21.0": programs / "next" / each for each in _CONTROL_PLANE},
        "etcd:3.4.13-0": Path("/usr/bin/etcd"),
        # There is no CoreDNS, and kube-proxy is not built; kubeadm upgrade only looks whether the images are there.
        **dict.fromkeys(("pause:3.2", "coredns:1.7.0", "kube-proxy:v1.20.2", "kube-proxy:v1.21.0"), pause),
    }
    return [_archive(f"{REGISTRY}/{name}", program, directory) for name, program in named.items()]


def _archive(name: str, program: Path, directory: Path) -> Path:
    """One layer: the program in /bin, and the libraries it is linked with."""
    layer = _tar({f"bin/{program.name}": program, **_libraries(program)})
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": [f"/bin/{program.name}"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    layer_name, config_name = f"{digest}/layer.tar", f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]).encode()
    made = directory / f"{re.sub(r'[^a-z0-9.-]', '-', name)}.tar"
    made.write_bytes(_tar({layer_name: layer, config_name: config, "manifest.json": manifest}))
    return made


def _libraries(program: Path) -> dict[str, Path]:
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, timeout=20).stdout
    return {path.lstrip("/"): Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}


def _tar(members: Mapping[str, bytes | Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
