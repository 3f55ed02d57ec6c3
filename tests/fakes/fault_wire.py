"""HTTP/1.1 on asyncio streams, as little of it as a proxy before a registry needs."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from http.client import responses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection"})
_LIMIT = 1 << 20


class Broken(Exception):
    """What was read is no HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's or an answer's head; header names are lower case, ``raw`` is as it came."""

    first: str
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def method(self) -> str:
        """Return a request's method."""
        return self.first.split(" ")[0]

    @property
    def path(self) -> str:
        """Return a request's target."""
        return self.first.split(" ")[1]

    @property
    def has_body(self) -> bool:
        """Return whether a request brings bytes."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def status(self) -> int:
        """Return an answer's status."""
        return int(self.first.split(" ")[1])


async def read_head(reader: asyncio.StreamReader, *, hello: bytes = b"") -> Head | None:
    """Return the next head, ``None`` at an orderly end; one whose ``first`` is ``hello`` for another protocol's."""
    begin = await reader.read(1)
    if not begin:
        return None
    if begin == hello:
        return Head("hello")
    raw = begin + await reader.readuntil(b"\r\n\r\n")
    lines = raw.decode("latin-1").split("\r\n")
    parts = [line.partition(":") for line in lines[1:] if line]
    if len(lines[0].split(" ")) < 2:
        raise Broken(lines[0])
    return Head(lines[0], {name.lower(): value.strip() for name, _, value in parts}, raw)


async def read_request_body(head: Head, reader: asyncio.StreamReader) -> bytes:
    """Return a request's body."""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return await _chunked(reader)
    return await reader.readexactly(int(head.headers.get("content-length") or 0))


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body


async def exchange(upstream: str, head: Head, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request to ``upstream`` (``host:port``) and return its answer: status, headers, body."""
    host, _, port = upstream.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=_LIMIT)
    try:
        kept = [f"{name}: {value}" for name, value in head.headers.items() if name not in _HOP_BY_HOP]
        has_body = body or head.method in ("POST", "PUT", "PATCH")
        length = [f"content-length: {len(body)}"] if has_body else []
        lines = [head.first, *kept, *length, "connection: close", "", ""]
        writer.write("\r\n".join(lines).encode("latin-1") + body)
        await writer.drain()
        return await _answer(reader, head.method)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[int, dict[str, str], bytes]:
    head = await read_head(reader)
    if head is None:
        raise Broken("no answer")
    status = head.status
    headers = {name: value for name, value in head.headers.items() if name not in _HOP_BY_HOP}
    length = head.headers.get("content-length")
    if method == "HEAD":
        return status, {**headers, **({"content-length": length} if length else {})}, b""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return status, headers, await _chunked(reader)
    return status, headers, await (reader.readexactly(int(length)) if length else reader.read())


def reply(status: int, headers: Mapping[str, str], body: bytes, method: str) -> tuple[bytes, bytes]:
    """Return an answer's head and body as bytes; a HEAD has no body and keeps the length it names."""
    lines = [
        f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if not any(name.lower() == "content-length" for name in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), b"" if method == "HEAD" else body


def aborted(writer: asyncio.StreamWriter) -> None:
    """End a connection by a true RST, which SO_LINGER 0 makes of a close."""
    found = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
