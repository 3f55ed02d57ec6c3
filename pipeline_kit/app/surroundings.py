"""What a run takes from outside the checkout, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.scopes import TRUSTED, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping


class Surroundings(NamedTuple):
    """What a run takes from outside the checkout.

    ``values`` are placeholder values; ``now`` is seconds since the epoch; ``base_commit`` is what to compare with.
    ``scope`` is the run's trust scope; a run that ``is_read_only`` has no credentials to push with.
    """

    values: Mapping[str, str]
    environ: Mapping[str, str]
    now: float
    base_commit: str = ""
    scope: Scope = TRUSTED
    is_read_only: bool = False
