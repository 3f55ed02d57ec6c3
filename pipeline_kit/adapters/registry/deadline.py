"""Connections whose every read and write obeys a deadline and an interruption.

A read time-out alone does not bound a peer that sends one byte a second, neither in headers nor in the body. So
``http.client`` reads through a raw stream that looks at the clock before each receive, and waits in short slices.
urllib3 would send with the connect time-out, too short for a registry that is slow to take a layer.
"""

from __future__ import annotations

import http.client
import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

READ_SECONDS = 30.0
_SLICE_SECONDS = 1.0


class DeadlineExceeded(TimeoutError):
    """The logical call's whole budget is spent."""


class Aborted(TimeoutError):
    """The run is being interrupted."""


def _never() -> bool:
    return False


def _no_time() -> float:
    return 0.0


class Limits(NamedTuple):
    """What bounds an exchange: ``deadline`` by ``now``, the longest silence ``read_seconds``, and ``is_aborted``."""

    deadline: float = float("inf")
    read_seconds: float = READ_SECONDS
    now: Callable[[], float] = _no_time
    is_aborted: Callable[[], bool] = _never

    def check(self) -> float:
        """Return the seconds that are left. Raises Aborted or DeadlineExceeded."""
        if self.is_aborted():
            raise Aborted("interrupted")
        remaining = self.deadline - self.now()
        if remaining <= 0:
            raise DeadlineExceeded("the whole call took too long")
        return remaining


class _Current(threading.local):
    limits = Limits()


_CURRENT = _Current()


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Bound this thread's reads by ``limits``; those before it hold again afterwards.

    They nest: the body of an upload may itself be read from a registry, piece by piece, on the same thread.
    """
    before = _CURRENT.limits
    _CURRENT.limits = limits
    try:
        yield
    finally:
        _CURRENT.limits = before


class _LimitedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, owner: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        silent = 0.0
        limits = _CURRENT.limits
        while True:
            remaining = limits.check()
            if silent >= limits.read_seconds:
                raise TimeoutError("no byte came in time")
            slice_seconds = min(_SLICE_SECONDS, remaining, limits.read_seconds - silent)
            self._sock.settimeout(slice_seconds)
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                silent += slice_seconds
            finally:
                # A kept connection is written to next, and sendall counts its whole time against this.
                self._sock.settimeout(limits.read_seconds)

    def close(self) -> None:
        if not self.closed:
            self._owner.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self.fp.close()
        # An unbuffered file keeps the socket open for as long as the answer is read, as http.client expects.
        self.fp = io.BufferedReader(_LimitedReader(sock, sock.makefile("rb", buffering=0)))


def _send(sock: socket.socket, data: bytes) -> None:
    """Send all of ``data`` within the thread's limits: silence is counted from the last byte that went out."""
    limits = _CURRENT.limits
    view = memoryview(data)
    silent = 0.0
    while view:
        slice_seconds = min(_SLICE_SECONDS, limits.check(), limits.read_seconds)
        sock.settimeout(slice_seconds)
        try:
            view = view[sock.send(view) :]
            silent = 0.0
        except TimeoutError:
            silent += slice_seconds
            if silent >= limits.read_seconds:
                raise TimeoutError("the peer takes no more bytes") from None


class _Connection(HTTPConnection):
    response_class = _LimitedResponse

    def send(self, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)
        else:
            _send(self.sock, data)


class _TlsConnection(HTTPSConnection):
    response_class = _LimitedResponse

    def send(self, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)
        else:
            _send(self.sock, data)


class Pool(HTTPConnectionPool):
    """A pool of plain connections that obey the thread's limits."""

    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    """A pool of TLS connections that obey the thread's limits."""

    ConnectionCls = _TlsConnection
