"""What is in use, by digest and by tag, each with who uses it.

A digest counts wherever it is used: it is the same image under every name. A tag counts in every repository, too: the
same content tag means the same content, and a mirror's name does not tell whose mirror it is. So more is kept, never
less.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InvalidReference
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SCHEME = re.compile(r"^[a-z-]+://")
_IMAGE_KEYS = frozenset({"image", "imageID", "imageName", "newName"})
_TAG_KEYS = ("tag", "newTag")
_DEEPEST = 200


@value_class(frozen=False)
class Uses:
    """Digests and tags in use, each with the first reason that was told for it."""

    digests: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, other: Uses) -> None:
        """Take over what ``other`` knows; reasons that stand here already stay."""
        self.digests = {**other.digests, **self.digests}
        self.tags = {**other.tags, **self.tags}


def uses_of_reference(text: str, why: str) -> Uses:
    """Return what an image reference uses: its digest and its tag; without both, the tag ``latest``.

    A text outside the grammar (a template) uses the digests that stand in it.
    """
    bare = _SCHEME.sub("", text.strip())
    found = Uses(dict.fromkeys(_DIGEST.findall(bare), why))
    try:
        reference = parse_reference(bare)
    except InvalidReference:
        return found
    if reference.tag is not None:
        found.tags[reference.tag] = why
    elif reference.digest is None:
        found.tags["latest"] = why
    return found


def uses_in_documents(documents: Iterable[Any], why: str) -> Uses:
    """Return what parsed YAML or JSON documents use.

    Every ``image:`` (also ``repository`` with ``tag`` below it, as in Helm values), kustomize's ``newTag``, and every
    digest anywhere in a text: a status holds digests that a spec by tag does not.
    """
    found = Uses()
    stack = [(document, 0) for document in documents]
    while stack:
        node, depth = stack.pop()
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(node, dict):
            _read_mapping(node, found, why)
            stack += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            stack += [(value, depth + 1) for value in node]
        elif isinstance(node, str):
            for digest in _DIGEST.findall(node):
                found.digests.setdefault(digest, why)
    return found


def _read_mapping(node: dict[Any, Any], found: Uses, why: str) -> None:
    for key in _IMAGE_KEYS & {name for name in node if isinstance(name, str)}:
        value = node[key]
        if isinstance(value, str) and value:
            found.add(uses_of_reference(value, why))
    for key in _TAG_KEYS:
        value = node.get(key)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != "":
            found.tags.setdefault(str(value), why)
