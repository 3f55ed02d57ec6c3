"""A reverse proxy that makes a real registry's tags immutable, as ECR does: the first PUT of a tag is the last.

Whoever comes second is refused whatever it brings, also with the same manifest. Requests take a moment of their own
each, so that racing clients meet in every order.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes.passing_front import PassingHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG_RE = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]*)")
_DELAY_SECONDS = 0.005


@dataclass
class ImmutableFront:
    """``host`` is its own address; ``is_immutable`` False lets everything through; ``refused`` are the tags refused."""

    host: str
    upstream: str
    is_immutable: bool = True
    written: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    writing: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    @contextmanager
    def turn(self, method: str, path: str) -> Iterator[bool]:
        """Give whether a request goes through; while a tag is written, whoever wants to write it too waits."""
        found = _TAG_RE.fullmatch(path) if method == "PUT" and self.is_immutable else None
        if found is None or found["tag"].startswith("sha256"):
            yield True
            return
        with self.lock:
            writing = self.writing[path]
        with writing:
            if path in self.written:
                self.refused.append(found["tag"])
                yield False
                return
            yield True
            self.written.add(path)


@contextmanager
def immutable_front(upstream: str, *, is_immutable: bool = True) -> Iterator[ImmutableFront]:
    """Run a front for ``upstream`` (``host:port``) on a free loopback port."""
    with serving(_Handler, lambda host: ImmutableFront(host, upstream, is_immutable)) as front:
        yield front


class _Handler(PassingHandler):
    def serve(self) -> None:
        time.sleep(random.random() * _DELAY_SECONDS)  # noqa: S311 - no secret
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.front.turn(self.command, self.path) as goes_through:
            if goes_through:
                status, headers, data = self.ask(body)
            else:
                told = "The image tag already exists in the repository and cannot be overwritten: the tag is immutable."
                data = json.dumps({"errors": [{"code": "TAG_INVALID", "message": told}]}).encode()
                status, headers = 400, [("Content-Type", "application/json")]
        self.answer(status, headers, data)
