"""``scan:``: from which severity on a scan fails, and what is ignored until when and why."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipeline_kit.config.document import ScalarNode
from pipeline_kit.config.fields import Reading, read_filled, read_items, read_members, read_word, require
from pipeline_kit.config.findings import shown
from pipeline_kit.config.keys import SCAN, SCAN_API_WORDS, SCAN_FAIL_WORDS, SCAN_IGNORE
from pipeline_kit.config.model import IgnoredFinding, ScanRules
from pipeline_kit.late_pattern import late_pattern

if TYPE_CHECKING:
    from pipeline_kit.config.document import Node

_DAY = late_pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_scan(reading: Reading, node: Node | None) -> ScanRules:
    """Return ``scan:``, with the product's own where it is silent."""
    members = read_members(reading, node, "scan", SCAN) if node else None
    if members is None:
        return ScanRules()
    fail_on, api, ignore = members.get("fail_on"), members.get("api"), members.get("ignore")
    default = ScanRules()
    entries = []
    for item in read_items(reading, ignore, members.key("ignore")) if ignore else ():
        entry = _read_ignored(reading, item, members.key("ignore"))
        if entry is not None:
            entries.append(entry)
    return ScanRules(
        fail_on=(read_word(reading, fail_on, members.key("fail_on"), SCAN_FAIL_WORDS) if fail_on else None)
        or default.fail_on,
        api=(read_word(reading, api, members.key("api"), SCAN_API_WORDS) if api else None) or default.api,
        ignore=tuple(entries),
    )


def _read_ignored(reading: Reading, node: Node, where: str) -> IgnoredFinding | None:
    members = read_members(reading, node, where, SCAN_IGNORE)
    if members is None:
        return None
    hint = "every entry says which finding, until which day, and why"
    written = [require(reading, members, name, hint) for name in SCAN_IGNORE]
    name, until, reason = written
    if name is None or until is None or reason is None:
        return None
    found, day = read_filled(reading, name, members.key("id")), _read_day(reading, until, members.key("until"))
    why = read_filled(reading, reason, members.key("reason"))
    return IgnoredFinding(found, day, why) if found and day and why else None


def _read_day(reading: Reading, node: Node, key: str) -> str | None:
    """Return a day as ``YYYY-MM-DD``, with or without quotes."""
    text = node.value if isinstance(node, ScalarNode) else ""
    if _is_day(text):
        return text
    what = shown(text) if isinstance(node, ScalarNode) else "this"
    reading.findings.add(node, f"{what} is not a day", key=key, suggestion="write it as in 2027-01-31")
    return None


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
