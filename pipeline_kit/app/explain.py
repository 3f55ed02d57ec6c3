"""The inputs behind a tag, as a document, and what differs from another commit (design D2, D7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.content_tag import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.content_tag import Change, KeyInputs


def explain_document(image: str, keyed: Keyed) -> dict[str, Any]:
    """Return ``explain --json``: every input of the image's key, grouped.

    ``tag`` is ``None`` when a base's digest is not known; its value then reads ``unresolved``.
    """
    inputs = keyed.inputs
    return {
        "image": image,
        "tag": keyed.tag,
        "inputs": _groups(inputs) if inputs is not None else {},
        "narrowed": not keyed.because,
        "because": keyed.because,
    }


def _groups(inputs: KeyInputs) -> dict[str, Any]:
    return {
        "files": {
            file_name(context, path): _entry(record)
            for context, listing in sorted(inputs.files.items())
            for path, record in listing
        },
        "dockerfile": inputs.dockerfile,
        "args": dict(sorted(inputs.args.items())),
        "bases": dict(sorted(inputs.bases.items())),
        "images": dict(sorted(inputs.images.items())),
        "contexts": dict(sorted(inputs.contexts.items())),
        "secrets": list(inputs.secrets),
        "ssh": list(inputs.ssh),
        "options": {
            "target": inputs.target,
            "platforms": ",".join(sorted(inputs.platforms)),
            **dict(sorted(inputs.options.items())),
        },
    }


def _entry(record: bytes) -> dict[str, str]:
    mode, _, blob = record.decode().partition(" ")
    return {"mode": mode, "blob": blob}


def difference_document(changes: Iterable[Change]) -> dict[str, list[dict[str, str]]]:
    """Return the changes as ``added``, ``removed`` and ``changed`` lists of ``{"kind", "name"}``."""
    found: dict[str, list[dict[str, str]]] = {"added": [], "removed": [], "changed": []}
    for change in changes:
        found[change.state].append({"kind": change.kind, "name": change.name})
    return found


def explain_lines(document: dict[str, Any]) -> list[str]:
    """Return the document for people: one line an input, grouped."""
    inputs = document["inputs"]
    lines = [f"image      {document['image']}", f"tag        {document['tag'] or 'not known: a base is unresolved'}"]
    narrowed = "files that the build can read" if document["narrowed"] else f"whole context: {document['because']}"
    lines += [f"narrowing  {narrowed}", f"dockerfile {inputs.get('dockerfile', '')}"]
    for group in ("options", "args", "bases", "images", "contexts"):
        lines += [f"{group[:-1]:<10} {name} = {value}" for name, value in inputs.get(group, {}).items() if value]
    lines += [f"secret     {name}" for name in inputs.get("secrets", [])]
    lines += [f"ssh        {name}" for name in inputs.get("ssh", [])]
    lines += [f"file       {e['mode']} {e['blob']} {name}" for name, e in inputs.get("files", {}).items()]
    return lines


def difference_lines(document: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the changes for people: ``+ file src/app.py``, ``- …``, ``~ …``."""
    marks = (("added", "+"), ("removed", "-"), ("changed", "~"))
    return [f"{mark} {item['kind']} {item['name']}" for state, mark in marks for item in document[state]]
