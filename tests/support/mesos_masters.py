"""A stand-in for several Mesos masters: the published operator API, state by state, over HTTP on loopback.

Rule: it refuses what the real one refuses: other methods and content types, wrong passwords, unknown agents, changes
while another one is under way. Masters that do not lead redirect; all share one registry, which outlives a change of
leader. Source: the documentation of the operator API, and the states of agents in its registry.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.ports import free_port

ACTIVE, DEACTIVATED, DRAINING, DRAINED = "ACTIVE", "DEACTIVATED", "DRAINING", "DRAINED"
RECOVERED, UNREACHABLE, GONE = "RECOVERED", "UNREACHABLE", "GONE"
LISTED = (ACTIVE, DEACTIVATED, DRAINING, DRAINED)
Answer = tuple[int, dict[str, Any] | str]


@dataclass
class Agent:
    """An agent. `task_seconds`: how long its tasks take to end when they are asked to; the grace period is the most."""

    id: str
    node: str
    task_seconds: float = 0
    state: str = ACTIVE
    ends_at: float = 0
    mark_gone: bool = False

    def info(self) -> dict[str, Any]:
        attributes = [
            {"name": "disk", "type": "TEXT", "text": {"value": 'an "odd" {text}: [1, 2], \\ '}},
            {"name": "cores", "type": "SCALAR", "scalar": {"value": 4.0}},
            {"name": "jeroboam_node", "text": {"value": self.node}, "type": "TEXT"},
        ]
        resources = [{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 32000}]}}]
        return {
            "attributes": attributes,
            "hostname": "10.0.1.9",
            "id": {"value": self.id},
            "port": 5051,
            "resources": resources,
        }


class MesosMasters:
    """Several masters with one registry, of which `leader` leads (None: there is no leader).

    Args:
        user: `principal:secret` of HTTP basic authentication; None for none.
        version: what GET_VERSION shows; below 1.9 nothing can be drained.
    """

    def __init__(self, user: str | None, *, count: int = 2, version: str = "1.11.0") -> None:
        self.user, self.version = user, version
        self.leader: int | None = 0
        self.agents: dict[str, Agent] = {}
        self.calls: list[str] = []
        self.overlapping = 0  # how many of the next changes meet another one
        self.recovered = True
        self._lock = threading.Lock()
        self.ports = [free_port() for _ in range(count)]
        self._servers = [
            ThreadingHTTPServer(("127.0.0.1", port), self._handler(i)) for i, port in enumerate(self.ports)
        ]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, agent: Agent) -> Agent:
        self.agents[agent.id] = agent
        return agent

    def fail_over(self, leader: int | None) -> None:
        """Another master leads; agents are known from the registry until they register again."""
        with self._lock:
            self.leader = leader
            for agent in self.agents.values():
                if agent.state in LISTED:
                    agent.state = RECOVERED

    def _handler(self, index: int) -> type[BaseHTTPRequestHandler]:
        masters = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*masters.get(index, self.path, self.headers.get("Authorization")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                types = self.headers.get("Content-Type"), self.headers.get("Accept")
                known = self.path == "/api/v1"
                authorization = self.headers.get("Authorization")
                self._send(*(masters.post(index, body, types, authorization) if known else (404, "")))

            def _send(self, code: int, body: dict[str, Any] | str) -> None:
                text = body if isinstance(body, str) else json.dumps(body)
                self.send_response(code)
                if code == 307:
                    # Without a scheme, as Mesos does.
                    self.send_header("Location", f"//127.0.0.1:{masters.ports[masters.leader or 0]}/api/v1")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _refused(self, authorization: str | None) -> bool:
        return self.user is not None and authorization != "Basic " + base64.b64encode(self.user.encode()).decode()

    def get(self, index: int, path: str, authorization: str | None) -> Answer:
        """What every master answers itself."""
        if path == "/api/v1":
            return 405, ""
        if self._refused(authorization):
            return 401, ""
        if path == "/metrics/snapshot":
            leads = float(index == self.leader)
            active = sum(agent.state == ACTIVE for agent in self.agents.values()) * leads
            metrics = {"master/elected": leads, "master/slaves_active": active, "master/slaves_disconnected": 0.0}
            return 200, metrics | {"registrar/log/recovered": float(self.recovered)}
        return 404, ""

    def post(self, index: int, body: bytes, types: tuple[str | None, str | None], authorization: str | None) -> Answer:
        if self._refused(authorization):
            return 401, ""
        if self.leader is None:
            return 503, "No leader elected"
        if index != self.leader:
            return 307, ""
        if types[0] != "application/json":
            return (400 if types[0] is None else 415), ""
        if types[1] != "application/json":
            return 406, ""
        try:
            call = json.loads(body)
            with self._lock:
                self._advance()
                self.calls.append(call["type"])
                return self._calls()[call["type"]](call)
        except (ValueError, KeyError, TypeError) as error:
            return 400, f"Failed to validate: {error!r}"

    def _calls(self) -> dict[str, Callable[[dict[str, Any]], Answer]]:
        found: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "GET_HEALTH": lambda _: (200, {"type": "GET_HEALTH", "get_health": {"healthy": True}}),
            "GET_VERSION": lambda _: (200, {"get_version": {"version_info": {"version": self.version}}}),
            "GET_AGENTS": lambda _: (200, self._listed()),
            "MARK_AGENT_GONE": self._mark_gone,
        }
        if tuple(int(part) for part in self.version.split(".")[:2]) >= (1, 9):
            found |= {"DRAIN_AGENT": self._drain, "DEACTIVATE_AGENT": self._deactivate}
        return found

    def _listed(self) -> dict[str, Any]:
        agents = []
        for agent in (agent for agent in self.agents.values() if agent.state in LISTED):
            shown = {"active": agent.state == ACTIVE, "agent_info": agent.info(), "pid": "slave(1)@10.0.1.9:5051"}
            if agent.state in (DRAINING, DRAINED):
                shown["drain_info"] = {"config": {"mark_gone": agent.mark_gone}, "state": agent.state}
            agents.append(shown | {"deactivated": agent.state != ACTIVE, "version": self.version})
        recovered = [agent.info() for agent in self.agents.values() if agent.state == RECOVERED]
        return {"type": "GET_AGENTS", "get_agents": {"agents": agents, "recovered_agents": recovered}}

    def _advance(self) -> None:
        """What has happened by now: the tasks of draining agents end."""
        for agent in self.agents.values():
            if agent.state == DRAINING and time.monotonic() >= agent.ends_at:
                agent.state = GONE if agent.mark_gone else DRAINED

    def _deactivate(self, call: dict[str, Any]) -> Answer:
        agent = self.agents.get(call["deactivate_agent"]["agent_id"]["value"])
        if agent is None or agent.state not in (ACTIVE, DEACTIVATED):
            return 400, "unknown or draining agent"
        agent.state = DEACTIVATED
        return 200, ""

    def _drain(self, call: dict[str, Any]) -> Answer:
        wanted = call["drain_agent"]
        agent = self.agents.get(wanted["agent_id"]["value"])
        if agent is None or agent.state not in (ACTIVE, DEACTIVATED):
            return 400, "this agent cannot be drained"
        grace = int(wanted["max_grace_period"]["seconds"])
        # A task that does not end in its grace period is killed; one that hangs in the kernel stays.
        agent.ends_at = time.monotonic() + (
            agent.task_seconds if agent.task_seconds > 1000 else min(agent.task_seconds, grace)
        )
        agent.state, agent.mark_gone = DRAINING, bool(wanted["mark_gone"])
        return 200, ""

    def _mark_gone(self, call: dict[str, Any]) -> Answer:
        agent = self.agents.get(call["mark_agent_gone"]["agent_id"]["value"])
        if agent is None:
            return 404, "unknown agent"
        if self.overlapping:
            self.overlapping -= 1
            return 503, "another operation of this agent is under way"
        agent.state = GONE
        return 200, ""
