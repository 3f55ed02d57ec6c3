"""The join command: the main job's last part, with platforms that other runners have pushed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline_kit.execute.join import Joiner
from pipeline_kit.execute.records import objection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.app.session import Session
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.ports.builder import Builder
    from pipeline_kit.reference import Reference


@contextmanager
def joiner_of(session: Session, tagged: Tagged) -> Iterator[Builder]:
    """Give what stands in the builder's place; staged images need the proof that ``verify`` asks of hits."""
    del tagged

    def why_not(pinned: Reference, key: str) -> str:
        if session.project.config.verify not in ("record", "deep"):
            return ""
        return objection(session.registry, pinned, key, session.around.scope)

    yield Joiner(session.registry, why_not)
