"""A reverse proxy in front of a real registry that fails chosen requests a number of times."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TLS_HELLO = b"\x16"
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class PushProxy:
    """``failures`` requests ``PUT /v2/…/manifests/…`` get ``status``; ``refused`` counts them."""

    host: str
    upstream: str
    status: int = 503
    failures: int = 1
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_refused(self, method: str, path: str) -> bool:
        """Tell whether this request fails, and count it."""
        with self.lock:
            if method != "PUT" or "/manifests/" not in path or self.refused >= self.failures:
                return False
            self.refused += 1
            return True


@contextmanager
def push_proxy(upstream: str, *, status: int = 503, failures: int = 1) -> Iterator[PushProxy]:
    """Run a proxy for ``upstream`` (``host:port``) on a free loopback port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    proxy = PushProxy(f"127.0.0.1:{server.server_address[1]}", upstream, status, failures)
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # The engine tries TLS first, and takes this answer for a server that speaks plain HTTP.
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HELLO:
            self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""

    def _forward(self) -> None:
        proxy: PushProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self._body()
        if proxy.is_refused(self.command, self.path):
            self._answer(proxy.status, [], b"busy")
            return
        connection = http.client.HTTPConnection(proxy.upstream, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            headers["Content-Length"] = str(len(body))
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            self._answer(answer.status, kept, data)
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

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body


for _method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._forward)
