"""A RabbitMQ of our own from Debian's packages: private ports, data, cookie and epmd; no service, no root.

Rule: the packages come as `sandbox.debian_packages` brings them. The broker is our child and is ended by its pid.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sandbox import debian_packages

_ERLANG = (
    "asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp "
    "tools xmerl"
)
_NEEDED = [f"erlang-{part}" for part in _ERLANG.split()]
START_SECONDS = 90.0


def ensure() -> Path:
    """Find RabbitMQ and Erlang, or fetch them. Returns their prefix.

    Raises:
        RuntimeError: neither found nor to be fetched, with apt's own words.
    """
    return debian_packages.ensure(
        "rabbitmq", ["rabbitmq-server"], _holds, needed=_NEEDED, after_unpacking=_name_the_root
    )


def _holds(prefix: Path) -> bool:
    return _server_home(prefix) is not None and any(prefix.glob("usr/lib/erlang/erts-*/bin/epmd"))


def _server_home(prefix: Path) -> Path | None:
    return next(iter(sorted(prefix.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*"))), None)


def _name_the_root(tree: Path, prefix: Path) -> None:
    """Debian's start scripts name Erlang's root outright; ours lies elsewhere."""
    for script in (tree / "usr/lib/erlang/bin/erl", *tree.glob("usr/lib/erlang/erts-*/bin/erl")):
        script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={prefix}/usr/lib/erlang"))


class RabbitServer:
    """One broker.

    Args:
        directory: holds its data, log and cookie; may be used again by a later broker on the same port.
        port: AMQP; `port + 1` and `port + 2` are taken by Erlang's distribution and epmd. `free_port(following=2)`
            finds one.
        prefix: from `ensure`.
    """

    def __init__(self, directory: Path, port: int, prefix: Path) -> None:
        self.directory = directory
        self.port = port
        self._prefix = prefix
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def _environment(self) -> dict[str, str]:
        d, prefix = self.directory, self._prefix
        root = "" if prefix == Path("/") else str(prefix)
        environment = {
            "PATH": f"{root}/usr/lib/erlang/bin:{root}/usr/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(d),
            "RABBITMQ_NODENAME": f"jeroboam{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.port + 1),
            "ERL_EPMD_PORT": str(self.port + 2),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(d / "mnesia"),
            "RABBITMQ_LOG_BASE": str(d / "log"),
            "RABBITMQ_LOGS": str(d / "log" / "rabbit.log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(d / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(d / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(d / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(d / "none.conf"),
            "RABBITMQ_PID_FILE": str(d / "rabbit.pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(d / "conf"),
            # Without this Erlang's distribution would listen on every address of the machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            "RABBITMQ_HOME": str(_server_home(prefix)),
        }
        if root:
            environment["LD_LIBRARY_PATH"] = f"{root}/usr/lib/x86_64-linux-gnu"
            environment["ROOTDIR"] = environment["ERL_ROOTDIR"] = f"{root}/usr/lib/erlang"
        return environment

    def start(self) -> None:
        """Start and wait until the broker answers AMQP.

        Raises:
            RuntimeError: with the end of its output.
        """
        d = self.directory
        for place in (d, d / "mnesia", d / "log", d / "conf"):
            place.mkdir(parents=True, exist_ok=True)
        (d / "enabled_plugins").write_text("[].\n")
        (d / "rabbitmq.conf").write_text(
            "loopback_users = none\nvm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 50MB\nlog.file.level = warning\n"
        )
        cookie = d / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        environment = self._environment()
        epmd = next(self._prefix.glob("usr/lib/erlang/erts-*/bin/epmd"))
        null = subprocess.DEVNULL
        self._epmd = subprocess.Popen(
            [str(epmd), "-port", environment["ERL_EPMD_PORT"], "-address", "127.0.0.1"],
            env=environment,
            start_new_session=True,
            stdin=null,
            stdout=null,
            stderr=null,
        )
        with (d / "log" / "stdout").open("ab") as output:
            self._server = subprocess.Popen(
                [f"{environment['RABBITMQ_HOME']}/sbin/rabbitmq-server"],
                env=environment,
                cwd=d,
                stdin=null,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"RabbitMQ did not start: {(d / 'log' / 'stdout').read_text()[-2000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(5)
                return connection.recv(1) == b"\x01"  # a method frame: Connection.Start
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL the broker's whole session, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then wait; the data directory stays."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        for process, how in ((self._server, number), (self._epmd, signal.SIGTERM)):
            if process is None:
                continue
            try:
                os.killpg(process.pid, how)
            except ProcessLookupError:
                continue
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._server = self._epmd = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["ensure"])
    parser.parse_args()
    try:
        prefix = ensure()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    home = _server_home(prefix)
    print(f"rabbitmq: {home.name if home else ''} under {prefix}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
