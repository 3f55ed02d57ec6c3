"""Threads for requests to registries, shared by all that a run does there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from types import TracebackType

_In = TypeVar("_In")
_Out = TypeVar("_Out")
REQUESTS = 32
"""Requests at once (as many as the registry client keeps connections)."""


class Workers:
    """Threads for requests, shared by all that a run copies.

    A task here waits only for tasks that were started before it, which therefore run or have ended.
    """

    def __init__(self, requests: int = REQUESTS) -> None:
        self._pool = ThreadPoolExecutor(requests, "copy")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None or issubclass(kind, Exception), cancel_futures=True)

    def start(self, work: Callable[[], _Out]) -> Future[_Out]:
        """Do ``work`` beside what the caller does."""
        return self._pool.submit(work)

    def each(self, work: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
        """Return ``work(item)`` for every item, in order; the first failure is raised once all have ended."""
        chosen = list(items)
        if len(chosen) == 1:
            return [work(chosen[0])]
        futures = [self._pool.submit(work, item) for item in chosen]
        failures = [error for future in futures if (error := future.exception()) is not None]
        if failures:
            raise failures[0]
        return [future.result() for future in futures]
