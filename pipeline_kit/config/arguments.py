"""Build arguments: templates whose environment placeholders are replaced while reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.fields import MAX_TAKEN, MAX_TEXT, Reading, is_null, read_named, read_text, read_texts
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.keys import ARGUMENT_PATTERN
from pipeline_kit.config.placeholders import Part, TemplateFault, escape, split_template, template_faults
from pipeline_kit.config.secrecy import is_secret_name, is_secret_value
from pipeline_kit.config.settings import add_faults
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline_kit.config.document import Node, ScalarNode

_ARGUMENT = late_pattern(ARGUMENT_PATTERN)
_UNPRINTABLE = late_pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRETS_INSTEAD = "hand it to the build as a secret: 'secrets: {id: {env: NAME}}'"


class Argument(NamedTuple):
    """A build argument; ``moving`` is the first placeholder in it that a run fills, or ``""``."""

    template: str
    moving: str
    node: ScalarNode


def read_arguments(reading: Reading, node: Node, where: str) -> dict[str, Argument]:
    """Return the build arguments by name; ``{env.NAME}`` is replaced, ``{sha}`` and its like are kept."""
    arguments: dict[str, Argument] = {}
    for name, name_node, value in read_named(reading, node, where, _ARGUMENT, "build argument"):
        key = f"{where}.{name}"
        if is_null(value):
            suggestion = f"write \"{{env.{name}}}\" to take it from the environment, or ''"
            reading.findings.add(value, f"'{name}' has no value", key=key, suggestion=suggestion)
            continue
        text = read_text(reading, value, key, hidden=is_secret_name(name), template=True)
        parts = split_template(text or "")
        if text is None or add_faults(reading, value, key, template_faults(parts, allowed=("name", "env"))):
            continue
        _warn_about_secrets(reading, name, parts, value, key)
        template = replace_environment(reading, value, parts, key)
        if template is not None:
            moving = next((part.value for part in parts if part.kind == "name"), "")
            arguments[name] = Argument(template, moving, name_node)
    return arguments


def read_volatile(
    reading: Reading, node: Node | None, key: str, arguments: Mapping[str, Argument], written: Collection[str]
) -> tuple[str, ...]:
    """Return ``volatile_args``, each of which must be ``written`` under ``args``; warn about others that should be."""
    volatile: dict[str, None] = {}
    for name, item in read_texts(reading, node, key) if node else ():
        if name in written:
            volatile[name] = None
        else:
            suggestion = did_you_mean(name, written)
            reading.findings.add(item, f"{shown(name)} is not one of 'args'", key=key, suggestion=suggestion)
    for name, argument in arguments.items():
        if argument.moving and name not in volatile:
            reading.findings.warn(
                argument.node,
                f"'{name}' holds {{{argument.moving}}}, so the content tag changes with it and nothing is skipped",
                key=key,
                suggestion=f"volatile_args: [{name}]",
            )
    return tuple(volatile)


def replace_environment(reading: Reading, node: Node, parts: Iterable[Part], key: str) -> str | None:
    """Return the template of ``parts`` with every ``{env.NAME}`` replaced, or ``None`` after a problem."""
    result: list[str] = []
    faults: list[TemplateFault] = []
    for part in parts:
        if part.kind == "env":
            value, fault = _variable(reading, part)
            faults += [fault] if fault else []
            result.append(escape(value))
        else:
            result.append(f"{{{part.value}}}" if part.kind == "name" else escape(part.value))
    template = "".join(result)
    if len(template) > MAX_TEXT:
        faults = [TemplateFault(0, f"with its variables this has more than {MAX_TEXT} characters", ""), *faults]
    return None if add_faults(reading, node, key, faults) else template


def _variable(reading: Reading, part: Part) -> tuple[str, TemplateFault | None]:
    name, offset = part.value, part.offset
    if is_secret_name(name):
        message = f"environment variable '{name}' looks like a secret, and what is read here gets printed"
        return "", TemplateFault(offset, message, _SECRETS_INSTEAD)
    try:
        value = reading.environment.take(name)
    except ValueError:
        return "", TemplateFault(offset, f"environment placeholders bring in more than {MAX_TAKEN} characters", "")
    if part.default is not None and not value:
        return part.default, None
    if value is None:
        suggestion = f"set it, or write {{env.{name}:-default}}"
        return "", TemplateFault(offset, f"environment variable '{name}' is not set", suggestion)
    if _UNPRINTABLE.search(value):
        message = f"environment variable '{name}' holds a line break or control character"
        return "", TemplateFault(offset, message, "")
    return value, None


def _warn_about_secrets(reading: Reading, name: str, parts: tuple[Part, ...], node: Node, key: str) -> None:
    text = "".join(part.value for part in parts if part.kind == "text")
    is_literal = bool(parts) and all(part.kind == "text" for part in parts)
    if is_secret_value(text) or (is_literal and is_secret_name(name)):
        message = f"'{name}' looks like a secret written in plain text, and build arguments stay in the image"
        reading.findings.warn(node, message, key=key, suggestion=_SECRETS_INSTEAD)
