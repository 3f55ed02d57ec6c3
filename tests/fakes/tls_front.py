"""TLS before a registry that speaks none: a server with a certificate made here, that is also an HTTP proxy.

The tool speaks plain http to loopback, so TLS is tried with a made-up host name that a proxy leads here: a client
sends ``CONNECT registry.example:443`` and meets this certificate. Nothing but loopback is contacted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key in one PEM file, which may also serve as SSL_CERT_FILE."""

    path: Path


def make_certificate(folder: Path, *names: str, days: tuple[int, int] = (-1, 1)) -> Certificate:
    """Write a certificate for ``names``, valid from and to so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{names[0]}-{certificate.serial_number:x}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)


class TlsFront:
    """Listens on loopback until ``close``; every connection ends at ``upstream`` (``127.0.0.1:port``).

    ``targets`` are the hosts that CONNECT named. ``refuses`` (a status line's rest, as ``407 No``) is answered to
    every CONNECT instead of leading on.
    """

    def __init__(self, upstream: str, certificate: Certificate, *, refuses: str = "") -> None:
        self._upstream = (upstream.partition(":")[0], int(upstream.partition(":")[2]))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.path)
        self._refuses = refuses
        self.targets: list[str] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def host(self) -> str:
        """Return ``127.0.0.1:port``."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def proxy(self) -> str:
        """Return the URL for HTTPS_PROXY."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, end every connection and thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if connection.recv(7, socket.MSG_PEEK) == b"CONNECT" and not self._connect(connection):
                return
            with (
                self._context.wrap_socket(connection, server_side=True) as inside,
                socket.create_connection(self._upstream, 5) as upstream,
            ):
                upstream.settimeout(None)
                with self._lock:
                    self._open |= {inside, upstream}
                try:
                    self._start(_pump, upstream, inside)
                    _pump(inside, upstream)
                finally:
                    with self._lock:
                        self._open -= {inside, upstream}

    def _connect(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                return False
            head += part
        self.targets.append(head.split()[1].decode())
        connection.sendall(f"HTTP/1.1 {self._refuses or '200 OK'}\r\nContent-Length: 0\r\n\r\n".encode())
        return not self._refuses


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then end the sink's direction."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
