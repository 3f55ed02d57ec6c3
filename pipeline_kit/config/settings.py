"""The settings that ``defaults:`` and an image share: platforms, cache, bases, aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pipeline_kit.config.document import MappingNode, Node, ScalarNode
from pipeline_kit.config.fields import (
    Reading,
    read_filled,
    read_items,
    read_members,
    read_text,
    read_texts,
    read_word,
)
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.keys import BASES_WORDS, CACHE, CACHE_WORDS, DEFAULTS
from pipeline_kit.config.model import Bases, CacheSpec
from pipeline_kit.config.placeholders import PLACEHOLDERS, TemplateFault, expand, split_template, template_faults
from pipeline_kit.manifest import normalize_platform
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import is_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

PLATFORMS = frozenset(
    {
        *(
            f"linux/{arch}"
            for arch in ("386", "amd64", "amd64/v2", "amd64/v3", "amd64/v4", "arm64", "arm/v5", "arm/v6")
        ),
        *(f"linux/{arch}" for arch in ("arm/v7", "arm/v8", "loong64", "mips64", "mips64le", "ppc64le", "riscv64")),
        *("linux/s390x", "windows/amd64", "windows/arm64"),
    }
)
"""What BuildKit and the runtimes know, normalised; anything else is a slip of the pen."""

_MAX_PREFIX = 64
_SAMPLE = dict.fromkeys(PLACEHOLDERS, "x")


class Settings(NamedTuple):
    """What an image gets when it says nothing itself; ``tag_prefix`` is the whole file's."""

    platforms: tuple[str, ...] = ("linux/amd64",)
    cache: CacheSpec = CacheSpec()
    bases: Bases = "resolve"
    aliases: tuple[str, ...] = ()
    tag_prefix: str = ""


def read_defaults(reading: Reading, node: Node | None) -> Settings:
    """Return ``defaults:``, with the product's own where it is silent."""
    members = read_members(reading, node, "defaults", DEFAULTS) if node else None
    if members is None:
        return Settings()
    settings = overlay(reading, Settings(), {name: members.get(name) for name in DEFAULTS}, "defaults")
    prefix = members.get("tag_prefix")
    if prefix is None:
        return settings
    text = read_tag_prefix(reading, prefix, "defaults.tag_prefix")
    return Settings(settings.platforms, settings.cache, settings.bases, settings.aliases, text)


def overlay(reading: Reading, base: Settings, nodes: dict[str, Node | None], where: str) -> Settings:
    """Return ``base`` with what ``nodes`` say about the four shared settings."""
    platforms, cache = nodes.get("platforms"), nodes.get("cache")
    bases, aliases = nodes.get("bases"), nodes.get("aliases")
    return Settings(
        base.platforms if platforms is None else _read_platforms(reading, platforms, f"{where}.platforms"),
        base.cache if cache is None else _read_cache(reading, cache, f"{where}.cache"),
        base.bases if bases is None else _read_bases(reading, bases, f"{where}.bases"),
        base.aliases if aliases is None else _read_aliases(reading, aliases, f"{where}.aliases"),
        base.tag_prefix,
    )


def read_tag_prefix(reading: Reading, node: Node, key: str) -> str:
    """Return the beginning of every content tag, at most 64 characters, ``""`` after a problem."""
    text = read_text(reading, node, key)
    if not text:
        return ""
    if len(text) > _MAX_PREFIX or not is_tag(text):
        message = f"{shown(text)} cannot begin a tag: at most {_MAX_PREFIX} of A-Z a-z 0-9 _ . -, not led by '.' or '-'"
        reading.findings.add(node, message, key=key)
    return text


def add_faults(reading: Reading, node: Node, key: str, faults: Iterable[TemplateFault]) -> bool:
    """Report the faults of the template in ``node``, each at its own column; return whether there were any."""
    inset = node.inset if isinstance(node, ScalarNode) else -1
    any_fault = False
    for fault in faults:
        offset = fault.offset + inset if inset >= 0 else 0
        reading.findings.add(node, fault.message, key=key, suggestion=fault.suggestion, offset=offset)
        any_fault = True
    return any_fault


def _read_platforms(reading: Reading, node: Node, key: str) -> tuple[str, ...]:
    platforms = set()
    for text, item in read_texts(reading, node, key):
        platform = normalize_platform(text)
        if platform in PLATFORMS and text.count("/") <= 2:  # noqa: PLR2004 - os, architecture, variant
            platforms.add(platform)
        else:
            suggestion = did_you_mean(platform, PLATFORMS)
            reading.findings.add(item, f"unknown platform {shown(text)}", key=key, suggestion=suggestion)
    if not platforms:
        _report_empty(reading, node, key)
    return tuple(sorted(platforms))


def _read_bases(reading: Reading, node: Node, key: str) -> Bases:
    return cast("Bases", read_word(reading, node, key, BASES_WORDS) or "resolve")


def _read_aliases(reading: Reading, node: Node, key: str) -> tuple[str, ...]:
    aliases = []
    for text, item in read_texts(reading, node, key, template=True):
        if add_faults(reading, item, key, template_faults(split_template(text), allowed=("name",))):
            continue
        sample = expand(text, _SAMPLE) or ""
        if is_tag(sample):
            aliases.append(text)
        else:
            reading.findings.add(
                item, f"{shown(text)} cannot become a legal tag", key=key, suggestion=_tag_advice(sample)
            )
    return tuple(aliases)


def _tag_advice(sample: str) -> str:
    return "use only A-Z a-z 0-9 _ . -" if len(sample) <= 128 else "a tag has at most 128 characters"  # noqa: PLR2004 - as it says


def _read_cache(reading: Reading, node: Node, key: str) -> CacheSpec:
    if not isinstance(node, MappingNode):
        return CacheSpec(read_word(reading, node, key, CACHE_WORDS) or "auto")
    members = read_members(reading, node, key, CACHE)
    entries = (
        {name: _read_cache_entries(reading, members.get(name), f"{key}.{name}") for name in CACHE} if members else {}
    )
    if not any(entries.values()) and not node.entries:
        reading.findings.add(node, "'cache' names neither 'to' nor 'from'", key=key, suggestion="write 'cache: none'")
    return CacheSpec("custom", entries.get("to", ()), entries.get("from", ()))


def _read_cache_entries(reading: Reading, node: Node | None, key: str) -> tuple[str, ...]:
    entries = []
    for item in read_items(reading, node, key) if node else ():
        text = read_filled(reading, item, key)
        if text is None:
            continue
        if any(char.isspace() for char in text):
            reading.findings.add(item, f"{shown(text)} is not a BuildKit cache entry", key=key, suggestion="no spaces")
        entries.append(text)
    return tuple(entries)


def _report_empty(reading: Reading, node: Node, key: str) -> None:
    if not getattr(node, "items", ("",)):
        reading.findings.add(node, f"'{key.rpartition('.')[2]}' is an empty list", key=key, suggestion="remove the key")
