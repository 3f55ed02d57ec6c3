"""Connections whose every read obeys a deadline and an interruption.

A read time-out alone does not bound a peer that sends one byte a second, neither in headers nor in the body. So
``http.client`` reads through a raw stream that looks at the clock before each receive, and waits in short slices.
"""

from __future__ import annotations

import http.client
import io
import threading
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

READ_SECONDS = 30.0
_SLICE_SECONDS = 1.0


class DeadlineExceeded(TimeoutError):
    """The logical call's whole budget is spent."""


class Aborted(TimeoutError):
    """The run is being interrupted."""


class ReadLimits(threading.local):
    """This thread's limits: ``deadline`` by ``now``, the longest silence ``read_seconds``, and ``is_aborted``."""

    deadline: float = float("inf")
    read_seconds: float = READ_SECONDS

    def __init__(self) -> None:
        self.now: Callable[[], float] = lambda: 0.0
        self.is_aborted: Callable[[], bool] = lambda: False


LIMITS = ReadLimits()


class _LimitedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, owner: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        silent = 0.0
        while True:
            if LIMITS.is_aborted():
                raise Aborted("interrupted")
            remaining = LIMITS.deadline - LIMITS.now()
            if remaining <= 0:
                raise DeadlineExceeded("the whole call took too long")
            if silent >= LIMITS.read_seconds:
                raise TimeoutError("no byte came in time")
            slice_seconds = min(_SLICE_SECONDS, remaining, LIMITS.read_seconds - silent)
            self._sock.settimeout(slice_seconds)
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                silent += slice_seconds
            finally:
                # A kept connection is written to next, and sendall counts its whole time against this.
                self._sock.settimeout(LIMITS.read_seconds)

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


class _Connection(HTTPConnection):
    response_class = _LimitedResponse


class _TlsConnection(HTTPSConnection):
    response_class = _LimitedResponse


class Pool(HTTPConnectionPool):
    """A pool of plain connections that obey LIMITS."""

    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    """A pool of TLS connections that obey LIMITS."""

    ConnectionCls = _TlsConnection
