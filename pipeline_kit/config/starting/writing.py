"""The text of the file: short, commented, and the same YAML to every reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.document import ScalarNode
from pipeline_kit.config.fields import is_surprising
from pipeline_kit.config.findings import shown
from pipeline_kit.config.keys import IMAGE
from pipeline_kit.config.starting.place import PLACEHOLDER
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline_kit.config.starting.place import Place
    from pipeline_kit.config.starting.services import Service

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./+-]*")
_WIDTH = 100
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HEAD = "# What is built here, by pipeline-kit. Written by 'pipeline-kit init': read it, change it, commit it."


@value_class()
class Draft:
    """What the file says; ``idle`` are entries that stand in it as comments, each with what it lacks."""

    place: Place
    images: Mapping[str, Mapping[str, Any]]
    comments: Mapping[str, str] = field(default_factory=dict)
    imports: Sequence[str] = ()
    idle: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    services: Sequence[Service] = ()
    platforms: Sequence[str] = ()
    """Of every image."""


def write(draft: Draft) -> str:
    """Return the file's text."""
    lines = [_HEAD, "version: 1", f"project: {scalar(draft.place.project)}", *_registry(draft.place)]
    if draft.imports:
        lines.append(f"imports: {flow(list(draft.imports))}")
    if draft.platforms:
        lines.append(f"defaults: {flow({'platforms': list(draft.platforms)})}")
    if draft.images or draft.idle:
        sources = {draft.comments.get(name, "") for name in draft.images}
        source = sources.pop() if len(sources) == 1 else ""
        lines += ["", f"images:{_comment(f'as in {source}' if source else '')}"] if draft.images else [""]
        for name, entry in draft.images.items():
            comment = "" if source else draft.comments.get(name, "")
            lines += _image(name, entry, comment)
        for name, (why, entry) in draft.idle.items():
            lines += [f"  # {scalar(name)}: #{_comment(why)[2:]}", *(f"  #   {line}" for line in _entry(entry))]
    if draft.services:
        lines += ["", *_services(draft.services)]
    return "\n".join(lines) + "\n"


def _registry(place: Place) -> list[str]:
    if place.registry == PLACEHOLDER:
        return [
            "# Where images go, as in ghcr.io/acme or 111122223333.dkr.ecr.eu-west-1.amazonaws.com:",
            f"registry: {scalar(place.registry)}",
        ]
    return [f"registry: {scalar(place.registry)}{_comment(place.because)}"]


def _image(name: str, entry: Mapping[str, Any], comment: str) -> Iterator[str]:
    short = f"  {scalar(name)}: {flow(dict(entry))}{_comment(comment)}"
    if len(entry) == 1 and len(short) <= _WIDTH:
        yield short
        return
    yield f"  {scalar(name)}:{_comment(comment)}"
    yield from (f"    {line}" for line in _entry(entry))


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in IMAGE:
        if key in entry:
            yield from _member(key, entry[key])


def _member(key: str, value: Any) -> Iterator[str]:
    line = f"{key}: {flow(value)}"
    if len(line) <= _WIDTH or isinstance(value, str):
        yield line
        return
    yield f"{key}:"
    if isinstance(value, list):
        yield from (f"  - {flow(item)}" for item in value)
    else:
        yield from (f"  {scalar(name)}: {flow(item)}" for name, item in value.items())


def _services(services: Sequence[Service]) -> Iterator[str]:
    yield "# To deploy by digest (pipeline-kit ecs deploy), take the # away and name the cluster:"
    yield "# deploy:"
    yield "#   ecs:"
    yield "#     prod:"
    yield "#       cluster: CLUSTER"
    yield "#       services:"
    for service in services:
        value = {"task_definition": service.path, "containers": dict(service.containers)}
        yield f"#         {scalar(service.name)}: {flow(value)}"


def _comment(text: str) -> str:
    """Return a comment that ends its line, ``""`` without one; whatever ``text`` holds stays in the line."""
    return f" # {shown(text)[1:-1]}" if text else ""


def flow(value: Any) -> str:
    """Return text, a list or a mapping on one line."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return f"{{{', '.join(f'{scalar(name)}: {flow(item)}' for name, item in value.items())}}}"


def scalar(text: str) -> str:
    """Return ``text`` plain where every reader takes it for this text, else in double quotes."""
    if _PLAIN.fullmatch(text) and not is_surprising(ScalarNode(1, 1, text, plain=True, inset=-1)):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a pair is no character
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - the limits of the forms
