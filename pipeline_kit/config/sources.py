"""What a build takes besides its context: named contexts, secrets, ssh agents."""

from __future__ import annotations

import re

from pipeline_kit.config.document import Node, ScalarNode
from pipeline_kit.config.fields import Members, Reading, read_filled, read_members, read_named, read_texts
from pipeline_kit.config.files import read_path
from pipeline_kit.config.findings import shown
from pipeline_kit.config.keys import ARGUMENT_PATTERN, ID_PATTERN, SECRET
from pipeline_kit.config.model import DirectoryContext, ImageContext, NamedContext, ReferenceContext, Secret
from pipeline_kit.config.paths import PathKind
from pipeline_kit.errors import InvalidReference
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.reference import parse_reference

_VARIABLE = late_pattern(ARGUMENT_PATTERN)
_ID = late_pattern(ID_PATTERN)
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?")


def read_contexts(reading: Reading, members: Members) -> tuple[dict[str, NamedContext], dict[str, Node]]:
    """Return BuildKit's named contexts and their nodes; that ``image:NAME`` exists is checked with all images."""
    node, where = members.get("contexts"), members.key("contexts")
    contexts: dict[str, NamedContext] = {}
    nodes: dict[str, Node] = {}
    for name, _, value in read_named(reading, node, where, _CONTEXT_NAME, "context") if node else ():
        context = _read_named_context(reading, value, f"{where}.{name}")
        if context is not None:
            contexts[name] = context
            nodes[name] = value
    return contexts, nodes


def _read_named_context(reading: Reading, node: Node, key: str) -> NamedContext | None:
    written = node.value if isinstance(node, ScalarNode) else ""
    scheme = _SCHEME.match(written)
    if scheme is None:
        path = read_path(reading, node, key, PathKind.DIRECTORY)
        return None if path is None else DirectoryContext(path)
    text = read_filled(reading, node, key)
    rest = written[scheme.end() :]
    if text is None:
        return None
    if scheme[0] == "image:":
        return ImageContext(rest)
    if scheme[0] == "docker-image://":
        return _read_reference(reading, node, key, rest)
    suggestion = f"write 'image:{rest}'" if scheme[0] in ("target:", "service:", "image://") else ""
    message = f"{shown(text)} is none of: a directory, 'image:NAME', 'docker-image://REFERENCE'"
    reading.findings.add(node, message, key=key, suggestion=suggestion)
    return None


def _read_reference(reading: Reading, node: Node, key: str, text: str) -> ReferenceContext | None:
    try:
        parse_reference(text)
    except InvalidReference as error:
        reading.findings.add(node, error.message, key=key)
        return None
    return ReferenceContext(text)


def read_secrets(reading: Reading, members: Members) -> dict[str, Secret]:
    """Return where each build secret's value comes from; values themselves are never read."""
    node, where = members.get("secrets"), members.key("secrets")
    secrets: dict[str, Secret] = {}
    for name, _, value in read_named(reading, node, where, _ID, "secret") if node else ():
        secret = _read_secret(reading, value, f"{where}.{name}")
        if secret is not None:
            secrets[name] = secret
    return secrets


def _read_secret(reading: Reading, node: Node, key: str) -> Secret | None:
    if isinstance(node, ScalarNode):
        message = f"secret '{key.rpartition('.')[2]}' must say where its value comes from"
        reading.findings.add(node, message, key=key, suggestion="write {env: NAME} or {file: PATH}")
        return None
    members = read_members(reading, node, key, SECRET, foreign={"source": "file", "src": "file", "environment": "env"})
    if members is None:
        return None
    env, file = members.get("env"), members.get("file")
    if (env is None) == (file is None):
        if len(members.nodes) < len(members.node.entries):
            return None  # an unknown key stands there, which is reported and probably one of the two
        reading.findings.add(members.node, "a secret has exactly one of 'env' and 'file'", key=key)
        return None
    if file is not None:
        path = read_path(reading, file, members.key("file"), PathKind.FILE, PathKind.MISSING)
        return None if path is None else Secret(file=path)
    return _read_secret_variable(reading, env, members.key("env")) if env is not None else None


def _read_secret_variable(reading: Reading, node: Node, key: str) -> Secret | None:
    name = read_filled(reading, node, key)
    if name is None:
        return None
    if not _VARIABLE.fullmatch(name):
        # What stands here may be the secret itself, so it is not shown.
        reading.findings.add(
            node, "'env' takes the name of an environment variable", key=key, suggestion="as in NPM_TOKEN"
        )
        return None
    return Secret(env=name)


def read_ssh(reading: Reading, members: Members) -> tuple[str, ...]:
    """Return the ids of forwarded ssh agents."""
    node, key = members.get("ssh"), members.key("ssh")
    ids = []
    for text, item in read_texts(reading, node, key) if node else ():
        if _ID.fullmatch(text):
            ids.append(text)
        else:
            reading.findings.add(item, f"{shown(text)} is not an ssh id", key=key, suggestion="write 'default'")
    return tuple(ids)
