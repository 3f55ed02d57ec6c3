"""What a run takes from outside the checkout, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run takes from outside the checkout.

    ``values`` are placeholder values; ``now`` is seconds since the epoch; ``base_commit`` is what to compare with.
    """

    values: Mapping[str, str]
    environ: Mapping[str, str]
    now: float
    base_commit: str = ""
