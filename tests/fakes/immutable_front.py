"""A reverse proxy that makes a real registry's tags immutable, as ECR does: the first PUT of a tag is the last.

Whoever comes second is refused whatever it brings, also with the same manifest. Requests take a moment of their own
each, so that racing clients meet in every order.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG_RE = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]*)")
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}
_DELAY_SECONDS = 0.005


@dataclass
class ImmutableFront:
    """``host`` is its own address; ``is_immutable`` False lets everything through; ``refused`` are the tags refused."""

    host: str
    upstream: str
    is_immutable: bool = True
    written: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    writing: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    @contextmanager
    def turn(self, method: str, path: str) -> Iterator[bool]:
        """Give whether a request goes through; while a tag is written, whoever wants to write it too waits."""
        found = _TAG_RE.fullmatch(path) if method == "PUT" and self.is_immutable else None
        if found is None or found["tag"].startswith("sha256"):
            yield True
            return
        with self.lock:
            writing = self.writing[path]
        with writing:
            if path in self.written:
                self.refused.append(found["tag"])
                yield False
                return
            yield True
            self.written.add(path)


@contextmanager
def immutable_front(upstream: str, *, is_immutable: bool = True) -> Iterator[ImmutableFront]:
    """Run a front for ``upstream`` (``host:port``) on a free loopback port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    front = ImmutableFront(f"127.0.0.1:{server.server_address[1]}", upstream, is_immutable)
    server.front = front
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: ImmutableFront


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""

    def _forward(self) -> None:
        time.sleep(random.random() * _DELAY_SECONDS)  # noqa: S311 - no secret
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.front.turn(self.command, self.path) as goes_through:
            if goes_through:
                status, headers, data = self._ask(body)
            else:
                told = "The image tag already exists in the repository and cannot be overwritten: the tag is immutable."
                data = json.dumps({"errors": [{"code": "TAG_INVALID", "message": told}]}).encode()
                status, headers = 400, [("Content-Type", "application/json")]
        self._answer(status, headers, data)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.front.upstream, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(self.command, self.path, body=body, headers=headers)
            with connection.getresponse() as answer:
                data = answer.read()
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
                return answer.status, kept, data
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


for _method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._forward)
