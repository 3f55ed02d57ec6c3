"""A reverse proxy before a real registry on loopback: what fronts for it have in common."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "expect"}

Front = TypeVar("Front")
Headers = list[tuple[str, str]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: Any


class PassingHandler(BaseHTTPRequestHandler):
    """Serves one request by :meth:`serve`; the server's ``front`` says where it goes."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""

    def serve(self) -> None:
        """Answer the request."""
        raise NotImplementedError

    def ask(self, body: bytes) -> tuple[int, Headers, bytes]:
        """Return the registry's answer; the front's own name stays Host, so that its Location leads back here."""
        connection = http.client.HTTPConnection(self.server.front.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(self.command, self.path, body=body, headers=headers)
            with connection.getresponse() as answer:
                data = answer.read()
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
                return answer.status, kept, data
        finally:
            connection.close()

    def answer(self, status: int, headers: Headers, data: bytes) -> None:
        """Send an answer."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


for _method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
    setattr(PassingHandler, f"do_{_method}", lambda self: self.serve())


@contextmanager
def serving(handler: type[PassingHandler], make_front: Callable[[str], Front]) -> Iterator[Front]:
    """Serve on a free loopback port; ``make_front`` gets the ``host:port``."""
    server = _Server(("127.0.0.1", 0), handler)
    server.front = make_front(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
