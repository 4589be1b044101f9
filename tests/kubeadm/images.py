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
# There is no CoreDNS. `kubeadm upgrade` waits until it is ready, so this answers the kubelet, and nothing else.
_COREDNS = """
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
static const char answer[] = "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK";
static void end(int number) { _exit(number & 0); }
static void serve(int port) {
    int yes = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 16)) _exit(1);
    for (;;) {
        char asked[2048];
        int client = accept(listening, 0, 0);
        if (client < 0) continue;
        if (read(client, asked, sizeof asked) > 0 && write(client, answer, sizeof answer - 1) < 0) _exit(1);
        close(client);
    }
}
int main(void) {
    signal(SIGTERM, end); signal(SIGINT, end); signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) serve(8080);
    serve(8181);
}
"""


def make_images(programs: Path, directory: Path) -> list[Path]:
    """An archive each for the control plane of both versions, etcd and the pause program, which is any workload.

    Args:
        programs: where Kubernetes was built.
    """
    pause, coredns = _compiled(_PAUSE, directory / "pause"), _compiled(_COREDNS, directory / "coredns")
    named = {
        **{f"{each}:v1.20.2": programs / each for each in _CONTROL_PLANE},
        **{f"{each}:v1.21.0": programs / "next" / each for each in _CONTROL_PLANE},
        "etcd:3.4.13-0": Path("/usr/bin/etcd"),
        "coredns:1.7.0": coredns,
        # kube-proxy is not built; kubeadm upgrade only looks whether the images are there.
        **dict.fromkeys(("pause:3.2", "kube-proxy:v1.20.2", "kube-proxy:v1.21.0"), pause),
    }
    return [_archive(f"{REGISTRY}/{name}", program, directory) for name, program in named.items()]


def _compiled(source: str, program: Path) -> Path:
    command = ["gcc", "-static", "-Os", "-x", "c", "-", "-o", str(program)]
    subprocess.run(command, input=source.encode(), check=True, timeout=60)
    return program


def _archive(name: str, program: Path, directory: Path) -> Path:
    """One layer: the program in /bin, and the libraries it is linked with."""
    layer = _tar({f"bin/{program.name}": program, **_libraries(program)})
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/bin/{program.name}"], "Env": ["PATH=/bin"]},
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
