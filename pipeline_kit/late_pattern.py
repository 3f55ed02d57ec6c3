"""Regular expressions that are compiled when they are first asked: every run loads them all and asks a few."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands for the pattern, and becomes it bit by bit: each method is looked up once."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)  # re remembers it
        setattr(self, name, found)
        return found


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what ``re.compile`` returns, for all that a pattern's methods and attributes do."""
    return cast("re.Pattern[AnyStr]", _Late(text, flags))
