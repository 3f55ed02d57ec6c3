"""Random faults: a share of all requests fails, each in one of the ways of the field."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes.fault_proxy import Fault

if TYPE_CHECKING:
    from random import Random

KINDS = ("503", "429", "reset", "truncated", "slow")
_BUSY = b'{"errors":[{"code":"UNAVAILABLE","message":"busy"}]}'
_MANY = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'


@dataclass(slots=True)
class Storm:
    """Fails ``rate`` of the requests; ``wait`` is what some 429 ask for, and what slow answers take, in seconds.

    Half of the 503 come after the registry has done its work, as those of a gateway do, and half of the resets too.
    """

    random: Random
    rate: float = 0.2
    wait: float = 1.0
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str) -> Fault | None:
        """Return what happens to the next request, ``None`` where nothing does."""
        del method, path
        with self._lock:
            if self.random.random() >= self.rate:
                return None
            kind = self.random.choice(KINDS)
            self.counts[kind] += 1
            return self._fault(kind)

    def _fault(self, kind: str) -> Fault:
        has_worked = self.random.random() < 0.5
        if kind == "503":
            return Fault("work" if has_worked else "answer", 503, body=_BUSY)
        if kind == "429":
            headers = {"Retry-After": f"{self.wait:g}"} if has_worked and self.wait >= 1 else {}
            return Fault("answer", 429, headers, body=_MANY)
        if kind == "reset":
            return Fault("lost") if has_worked else Fault("reset", keep=self.random.choice((0, 100, 15_000)))
        if kind == "slow":
            return Fault("slow", seconds=self.wait)
        return Fault("truncate", keep=self.random.choice((0, 20, 200)))
