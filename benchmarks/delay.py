"""A loopback proxy that adds a round trip: bytes leave half of it later, and a connection begins a whole one later.

``python benchmarks/delay.py TARGET_HOST:PORT MILLISECONDS`` prints its own ``host:port`` and serves until it is ended;
:func:`delayed` runs it for the time of a block.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 256 * 1024


@contextmanager
def delayed(target: str, milliseconds: float) -> Iterator[str]:
    """Give ``host:port`` of a proxy for ``target`` in a process of its own."""
    with subprocess.Popen(
        [sys.executable, __file__, target, str(milliseconds)], stdout=subprocess.PIPE, text=True
    ) as proxy:
        try:
            yield (proxy.stdout.readline() if proxy.stdout is not None else "").strip()
        finally:
            proxy.kill()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, first: float) -> None:
    """Write what is read ``delay`` seconds later; ``first`` is added until the connection would have stood."""
    loop = asyncio.get_running_loop()
    stands = loop.time() + first
    waiting: deque[tuple[float, bytes]] = deque()
    arrived = asyncio.Event()

    async def send() -> None:
        while True:
            while not waiting:
                arrived.clear()
                await arrived.wait()
            due, piece = waiting.popleft()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        while True:
            piece = await reader.read(_PIECE)
            waiting.append((max(loop.time(), stands) + delay, piece))
            arrived.set()
            if not piece:
                break
        await sending
    except (ConnectionError, asyncio.CancelledError):
        sending.cancel()
        writer.close()


async def _serve(target: str, seconds: float) -> None:
    host, _, port = target.partition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass(reader, up_writer, seconds / 2, seconds), _pass(up_reader, writer, seconds / 2, 0.0))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=4 * _PIECE)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2]) / 1000))
