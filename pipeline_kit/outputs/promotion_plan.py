"""Promotions that are planned and not carried out, as JSON and as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.promotion import Attach, CopyBlob, Promotion, PutManifest, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000


def format_bytes(count: int) -> str:
    """Return ``512 bytes``, ``1.5 kB``, ``200.0 MB``, … in powers of 1000."""
    amount = float(count)
    for unit in _UNITS[:-1]:
        if amount < _STEP:
            return f"{count} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} {_UNITS[-1]}"


def plan_document(promotions: Iterable[Promotion]) -> dict[str, Any]:
    """Return the shape of ``promote --dry-run --json``: for each image its source, its target and every step."""
    return {"images": {item.name: _promotion(item) for item in promotions}}


def plan_lines(promotions: Iterable[Promotion]) -> tuple[str, ...]:
    """Return three lines an image: from where to where, what, and which tags."""
    return tuple(line for item in promotions for line in _lines(item))


def _promotion(item: Promotion) -> dict[str, Any]:
    return {
        "source": str(item.source),
        "target": target_of(item),
        "digest": item.graph.root,
        "platforms": list(item.graph.manifests[item.graph.root].platforms()),
        "manifests": len(item.graph.manifests),
        "referrers": item.graph.referrer_count,
        "blobs": len(item.graph.blobs()),
        "bytes": sum(blob.size for blob in item.graph.blobs()),
        "tags": _tags(item),
        "steps": [_step(step) for step in item.steps],
    }


def target_of(item: Promotion) -> str:
    """Return where the image goes, by its content tag where it keeps one, else by its digest."""
    return str(item.target.with_tag(item.content_tag) if item.content_tag else item.target.with_digest(item.graph.root))


def _tags(item: Promotion) -> Mapping[str, str | None]:
    named = ([item.content_tag] if item.content_tag else []) + list(item.aliases)
    return {tag: item.held.get(tag) for tag in named}


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, CopyBlob):
        return {"kind": "blob", "digest": step.blob.digest, "bytes": step.blob.size}
    if isinstance(step, PutManifest):
        return {"kind": "manifest", "digest": step.digest}
    if isinstance(step, Attach):
        return {"kind": "referrer", "digest": step.digest, "subject": step.subject}
    return {"kind": "tag", "digest": step.digest, "tag": step.tag, "held": step.held}


def _lines(item: Promotion) -> tuple[str, ...]:
    graph = item.graph
    platforms = graph.manifests[graph.root].platforms()
    size = format_bytes(sum(blob.size for blob in graph.blobs()))
    parts = [f"{len(platforms)} platforms" if len(platforms) > 1 else "", f"{len(graph.blobs())} blobs ({size})"]
    parts.append(f"{graph.referrer_count} referrers" if graph.referrer_count else "")
    by = "mounted" if item.source.host == item.target.host else "streamed"
    tags = ", ".join(f"{tag} ({_move(held, graph.root)})" for tag, held in _tags(item).items()) or "none"
    return (
        one_line(f"{item.name}  {item.source} → {item.target.name}@{graph.root}"),
        f"    {', '.join(part for part in parts if part)}, {by}",
        one_line(f"    tags: {tags}"),
    )


def _move(held: str | None, digest: str) -> str:
    if held is None:
        return "new"
    return "there" if held == digest else "moves"
