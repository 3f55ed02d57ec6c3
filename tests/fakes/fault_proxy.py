"""A reverse proxy that breaks chosen requests on their way to a real registry.

HTTP/1.1, one connection to the registry for each request; Host is kept, so that the absolute addresses a registry makes
of it lead back here. A TLS greeting is answered with 400 at once, which engines take for a server without TLS. Every
request is in ``log``, in the order of arrival.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from fakes.fault_wire import Broken, Head, aborted, exchange, read_head, read_request_body, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TLS_HELLO = b"\x16"


def _nothing() -> None:
    """Let nothing else happen."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    ``answer``: this answer; the registry hears nothing. ``work``: the registry does its work, then this answer.
    ``reset``: RST once ``keep`` bytes of the request's body have reached the registry (none: it hears nothing).
    ``lost``: the registry does its work, then RST. ``truncate``: the head and ``keep`` bytes of the true answer's body,
    then an orderly end; ``cut``: the same, then RST. ``stall``: the same, then silence for ``seconds`` (``keep`` below
    0: not even the head, and the registry hears nothing). ``slow``: the true answer in eight parts over ``seconds``.
    ``headers``: the true answer with ``headers`` set and ``drop`` taken out. ``body``: the true answer with this body.
    """

    do: str = "answer"
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    body: bytes = b""
    keep: int = 0
    seconds: float = 0.0
    also: Callable[[], None] = _nothing
    """Called when it strikes: before the answer, and after what the registry hears of the request."""


@dataclass(slots=True)
class Rule:
    """``fault`` strikes ``times`` requests whose method and path match, after ``skip`` of them."""

    fault: Fault
    method: str = ".*"
    path: str = ""
    times: int = 1_000_000
    skip: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Return whether this request is struck; counts."""
        if self.times < 1 or not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Hit:
    """One request as it came: seconds since the proxy began, bytes of its body, its fault (``""``), what was answered.

    ``status`` is 0 where there was no answer.
    """

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    size: int = 0
    fault: str = ""
    status: int = 0


class FaultProxy:
    """A proxy for ``upstream`` (``host:port``) on a free loopback port, as a context manager.

    ``choose`` is asked about each request (method, path) that no rule strikes.
    """

    def __init__(self, upstream: str, choose: Callable[[str, str], Fault | None] = lambda *_: None) -> None:
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.log: list[Hit] = []
        self.host = ""
        self._choose = choose
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, do: str = "answer", *, method: str = ".*", path: str = "", times: int = 1, **members: Any) -> Rule:
        """Add a rule that strikes once, unless told otherwise; earlier rules win. Other members are the fault's."""
        skip = members.pop("skip", 0)
        rule = Rule(Fault(do, **members), method, path, times, skip)
        with self._lock:
            self.rules.append(rule)
        return rule

    def hits(self, method: str = ".*", path: str = "") -> list[Hit]:
        """Return the requests whose method and path match."""
        with self._lock:
            return [hit for hit in self.log if re.fullmatch(method, hit.method) and re.search(path, hit.path)]

    def clear(self) -> None:
        """Forget rules and log."""
        with self._lock:
            self.rules.clear()
            self.log.clear()

    def write_log(self, path: Path) -> None:
        """Write the log as JSON lines, without headers, which may hold credentials."""
        with self._lock:
            lines = [json.dumps({**asdict(hit), "headers": None}) for hit in self.log]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, Broken, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request and return whether the connection goes on."""
        head = await read_head(reader, hello=_TLS_HELLO)
        if head is None:
            return False
        if head.first == "hello":
            writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            await writer.drain()
            return False
        fault, number = self._noted(head)
        if fault is not None and fault.do == "reset" and fault.keep > 0 and head.has_body:
            await self._partly(head, fault, reader)
            aborted(writer)
            return False
        body = await read_request_body(head, reader)
        with self._lock:
            self.log[number] = replace(self.log[number], size=len(body))
        if fault is None:
            return await self._answer(number, writer, *await exchange(self.upstream, head, body))
        return await self._strike(fault, number, head, body, writer)

    def _noted(self, head: Head) -> tuple[Fault | None, int]:
        with self._lock:
            rule = next((rule for rule in self.rules if rule.matches(head.method, head.path)), None)
            fault = rule.fault if rule is not None else self._choose(head.method, head.path)
            at = time.monotonic() - self._began
            self.log.append(Hit(at, head.method, head.path, head.headers, fault=fault.do if fault is not None else ""))
            return fault, len(self.log) - 1

    async def _partly(self, head: Head, fault: Fault, reader: asyncio.StreamReader) -> None:
        """Let the registry have a part of the body, then end both connections."""
        _, writer = await asyncio.open_connection(*self.upstream.split(":"))
        writer.write(head.raw + await reader.read(fault.keep))
        await writer.drain()
        await asyncio.sleep(0.05)  # a reset takes away what was not read yet
        fault.also()
        aborted(writer)

    async def _strike(self, fault: Fault, number: int, head: Head, body: bytes, writer: asyncio.StreamWriter) -> bool:
        is_deaf = fault.do in ("answer", "reset") or (fault.do == "stall" and fault.keep < 0)
        status, headers, data = (0, {}, b"") if is_deaf else await exchange(self.upstream, head, body)
        fault.also()
        if fault.do in ("reset", "lost"):
            aborted(writer)
            return False
        if fault.do in ("answer", "work"):
            return await self._answer(number, writer, fault.status, dict(fault.headers), fault.body, head.method)
        if fault.do == "headers":
            kept = {name: value for name, value in headers.items() if name.lower() not in fault.drop}
            renamed = {name.lower() for name in fault.headers}
            kept = {name: value for name, value in kept.items() if name.lower() not in renamed}
            return await self._answer(number, writer, status, {**kept, **fault.headers}, data, head.method)
        if fault.do == "body":
            return await self._answer(number, writer, status, headers, fault.body, head.method)
        return await self._half(fault, number, reply(status, headers, data, head.method), writer)

    async def _half(self, fault: Fault, number: int, parts: tuple[bytes, bytes], writer: asyncio.StreamWriter) -> bool:
        """Answer in part, or slowly."""
        first, rest = parts
        if fault.do == "slow":
            whole = first + rest
            size = max(1, -(-len(whole) // 8))
            for start in range(0, len(whole), size):
                await asyncio.sleep(fault.seconds / 8)
                writer.write(whole[start : start + size])
                await writer.drain()
            self._told(number, 200)
            return True
        if fault.keep >= 0:
            writer.write(first + rest[: fault.keep])
            await writer.drain()
        if fault.do == "stall":
            await asyncio.sleep(fault.seconds)
        elif fault.do == "cut":
            await asyncio.sleep(0.05)
            aborted(writer)
        return False

    async def _answer(
        self,
        number: int,
        writer: asyncio.StreamWriter,
        status: int,
        headers: Mapping[str, str],
        data: bytes,
        method: str = "",
    ) -> bool:
        self._told(number, status)
        first, rest = reply(status, headers, data, method or self.log[number].method)
        writer.write(first + rest)
        await writer.drain()
        return True

    def _told(self, number: int, status: int) -> None:
        with self._lock:
            self.log[number] = replace(self.log[number], status=status)
