"""The fake registry's wire: connections, the request log, and scripted faults."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from fakes.fake_registry_answers import Logged, Reply, answer
from fakes.fake_registry_blobs import interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.fake_registry import FakeRegistry


@dataclass(slots=True)
class Rule:
    """What to do instead of the true answer, ``times`` times, after ``skip`` matches.

    ``do``: ``answer`` (status, headers, body), ``reset`` (RST before any byte), ``lost`` (do the work, then RST),
    ``stall`` (wait ``seconds``, then close), ``pause`` (true answer after ``seconds``), ``drip`` (one byte of ``body``
    every ``seconds``), ``truncate`` (true answer, ``keep`` bytes of its body, then close), ``cut`` (RST after ``keep``
    bytes of the true answer's body or, unless it is a GET, of the request's), ``headers`` (true answer with
    ``headers`` over its own), ``work`` (the true answer's effect, then this one).
    """

    method: str = ".*"
    path: str = ".*"
    do: str = "answer"
    times: int = 1_000_000
    skip: int = 0
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    keep: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Return whether this rule speaks about the request; counts skips and times down."""
        if self.times < 1 or not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Server(ThreadingHTTPServer):
    """A server whose threads end with it, those that wait on a kept connection included."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    registry: FakeRegistry

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.open_connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then start its thread."""
        with self.registry.lock:
            self.open_connections.add(request)
            self.registry.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, then close it."""
        with self.registry.lock:
            self.open_connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for a next request on a kept connection."""
        with self.registry.lock:
            for connection in self.open_connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what faults are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet: the registry has its own log."""

    def handle_one_request(self) -> None:
        """Serve one request; a client that goes away ends the connection and nothing else."""
        with contextlib.suppress(ConnectionError, OSError, ValueError):
            super().handle_one_request()
            return
        self.close_connection = True

    def serve(self) -> None:
        """Log, apply the rules, answer."""
        registry = self.server.registry
        headers = {name.lower(): value for name, value in self.headers.items()}
        with registry.lock:
            rule = next((rule for rule in registry.rules if rule.matches(self.command, self.path)), None)
        size = int(self.headers.get("content-length") or 0)
        is_cut = rule is not None and rule.do == "cut" and self.command != "GET"
        request = Logged(
            self.command, self.path, headers, self.rfile.read(min(rule.keep, size) if rule and is_cut else size)
        )
        with registry.lock:
            registry.log.append(request)
        if rule is None:
            self._send(answer(registry, request))
        else:
            self._obey(rule, registry, request)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = serve  # noqa: N815 - the base class names them so

    def _obey(self, rule: Rule, registry: FakeRegistry, request: Logged) -> None:
        if rule.do in ("pause", "stall"):
            registry.stopping.wait(rule.seconds)
        if rule.do == "pause":
            self._send(answer(registry, request))
        elif rule.do in ("answer", "work"):
            if rule.do == "work":
                answer(registry, request)
            self._send(Reply(rule.status, dict(rule.headers), rule.body))
        elif rule.do == "headers":
            reply = answer(registry, request)
            self._send(Reply(reply.status, {**reply.headers, **rule.headers}, reply.body))
        else:
            self._break(rule, registry, request)

    def _break(self, rule: Rule, registry: FakeRegistry, request: Logged) -> None:
        """Answer in a way that ends the connection."""
        self.close_connection = True
        if rule.do in ("reset", "lost"):
            if rule.do == "lost":
                answer(registry, request)
            self._reset()
        elif rule.do == "cut":
            self._cut(rule, registry, request)
        elif rule.do == "truncate":
            self._send(answer(registry, request), keep=rule.keep)
        elif rule.do == "drip":
            self._drip(rule, registry)
        elif rule.do != "stall":
            raise AssertionError(rule.do)

    def _reset(self) -> None:
        # SO_LINGER 0 makes the close a true RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _cut(self, rule: Rule, registry: FakeRegistry, request: Logged) -> None:
        if self.command == "GET":
            self._send(answer(registry, request), keep=rule.keep)
            self.wfile.flush()
            # What the client has not received yet, a reset would take away from it.
            registry.stopping.wait(0.05)
        else:
            interrupted(registry, request)
        self._reset()

    def _drip(self, rule: Rule, registry: FakeRegistry) -> None:
        for byte in rule.body:
            self.wfile.write(bytes([byte]))
            if registry.stopping.wait(rule.seconds):
                return

    def _send(self, reply: Reply, keep: int | None = None) -> None:
        names = {name.lower() for name in reply.headers}
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('Unknown',))[0]}"]
        if "date" not in names:
            lines.append(f"Date: {self.date_time_string()}")
        if "content-length" not in names:
            lines.append(f"Content-Length: {len(reply.body)}")
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        body = b"" if self.command == "HEAD" else reply.body if keep is None else reply.body[:keep]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
