"""The tree of the whole file to a :class:`~pipeline_kit.config.model.Config`."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from pipeline_kit.config.arguments import replace_environment
from pipeline_kit.config.checks import check_images
from pipeline_kit.config.deployments import read_deploy, read_retention
from pipeline_kit.config.document import Node, ScalarNode, SequenceNode
from pipeline_kit.config.fields import (
    Members,
    Reading,
    read_items,
    read_members,
    read_named,
    read_text,
    read_texts,
    read_word,
    require,
)
from pipeline_kit.config.findings import shown
from pipeline_kit.config.images import ImageDraft, Place, read_image
from pipeline_kit.config.keys import FOREIGN, NAME_PATTERN, SCOPES, TOP, VERIFY_WORDS
from pipeline_kit.config.model import Config, Verify
from pipeline_kit.config.placeholders import expand, split_template, template_faults
from pipeline_kit.config.settings import Settings, add_faults, read_defaults, read_tag_prefix
from pipeline_kit.reference import is_host, is_repository

if TYPE_CHECKING:
    from pipeline_kit.config.document import MappingNode

VERSION = "1"
_IMAGE_NAME = re.compile(NAME_PATTERN)
_REF_PATTERN = re.compile(r"refs/[^\s~^:\\]+")


def read_config(reading: Reading, root: MappingNode) -> Config:
    """Return the configuration. Where the findings hold problems, the value only served to find more of them."""
    top = read_members(reading, root, "", TOP, foreign=FOREIGN)
    if top is None:  # pragma: no cover - read_document answers with a mapping
        raise TypeError
    _check_version(reading, top)
    _check_imports(reading, top)
    place = _read_place(reading, top)
    defaults = read_defaults(reading, top.get("defaults"))
    drafts, names = _read_images(reading, top, place, defaults)
    check_images(reading.findings, drafts, names)
    deployments = read_deploy(reading, top.get("deploy"), names)
    verify = top.get("verify")
    return Config(
        file=reading.findings.file,
        project=place.project,
        registry=place.host,
        images=MappingProxyType({name: draft.config for name, draft in drafts.items()}),
        ecs=MappingProxyType(deployments),
        tag_prefix=_read_prefix(reading, top, defaults),
        plain_http=_read_plain_http(reading, top),
        verify=cast("Verify", (read_word(reading, verify, "verify", VERIFY_WORDS) if verify else None) or "tag"),
        trusted=_read_trusted(reading, top),
        retention=read_retention(reading, top.get("retention"), deployments),
        warnings=tuple(sorted(reading.findings.warnings)),
    )


def _check_version(reading: Reading, top: Members) -> None:
    node = require(reading, top, "version", "begin with 'version: 1'")
    if node is None or (isinstance(node, ScalarNode) and node.plain and node.value == VERSION):
        return
    what = shown(node.value) if isinstance(node, ScalarNode) else "this"
    message = f"{what} is not a version that this program reads: 1"
    reading.findings.add(node, message, key="version", suggestion="write 'version: 1', without quotes")


def _check_imports(reading: Reading, top: Members) -> None:
    node = top.get("imports")
    if node is None:
        return
    if read_items(reading, node, "imports"):
        message = "imports are not read by this version"
        reading.findings.add(node, message, key="imports", suggestion="write the images under 'images'")


def _read_place(reading: Reading, top: Members) -> Place:
    project_node = top.get("project")
    project = _read_filled_template(reading, project_node, "project") if project_node else None
    if project is not None and project_node is not None and not is_repository(project):
        suggestion = f"write '{project.lower()}'" if is_repository(project.lower()) else ""
        reading.findings.add(
            project_node, f"{shown(project)} cannot begin a repository", key="project", suggestion=suggestion
        )
        project = None
    node = require(reading, top, "registry", "as in 'registry: ghcr.io/acme'")
    text = _read_filled_template(reading, node, "registry") if node else None
    host, prefix = _split_registry(reading, node, text) if node and text else ("", "")
    return Place(host, prefix, project or "", project_node is None)


def _read_filled_template(reading: Reading, node: Node, key: str) -> str | None:
    """Return a text in which only ``{env.NAME}`` may stand, replaced."""
    text = read_text(reading, node, key, template=True)
    parts = split_template(text or "")
    if text is None or add_faults(reading, node, key, template_faults(parts, allowed=("env",))):
        return None
    template = replace_environment(reading, node, parts, key)
    value = None if template is None else expand(template, {})
    if value == "":
        reading.findings.add(node, f"'{key}' is empty", key=key)
    return value or None


def _split_registry(reading: Reading, node: Node, text: str) -> tuple[str, str]:
    """Return host and the path behind it, which ends with ``/`` unless it is empty; ``("", "")`` after a problem."""
    bare = re.sub(r"^[a-z]+://", "", text).rstrip("/")
    host, slash, path = bare.partition("/")
    suggestion = ""
    if "@" in host:
        message = "'registry' holds credentials"
        suggestion = "log in with 'docker login' and write the host alone"
    elif bare != text:
        message, suggestion = f"{shown(text)} is not a registry: write host[:port][/path]", f"write '{bare}'"
    elif not is_host(host):
        message = f"{shown(host)} is not a registry host"
    elif not ("." in host or ":" in host or host == "localhost"):
        message, suggestion = f"{shown(host)} is not a registry host", f"did you mean 'docker.io/{text}'?"
    elif slash and not is_repository(path):
        message, suggestion = f"{shown(path)} cannot begin a repository", "lower case letters, digits and . _ - only"
    else:
        return ("docker.io" if host == "index.docker.io" else host), f"{path}/" if path else ""
    reading.findings.add(node, message, key="registry", suggestion=suggestion)
    return "", ""


def _read_images(
    reading: Reading, top: Members, place: Place, defaults: Settings
) -> tuple[dict[str, ImageDraft], set[str]]:
    drafts: dict[str, ImageDraft] = {}
    names: set[str] = set()
    node = require(reading, top, "images", "name at least one image")
    if node is None:
        return drafts, names
    for name, name_node, value in read_named(reading, node, "images", _IMAGE_NAME, "image"):
        names.add(name)
        draft = read_image(reading, name, name_node, value, place, defaults)
        if draft is not None:
            drafts[name] = draft
    if not getattr(node, "entries", ("",)):
        reading.findings.add(node, "'images' names no image", key="images", suggestion="name at least one image")
    return drafts, names


def _read_prefix(reading: Reading, top: Members, defaults: Settings) -> str:
    node = top.get("tag_prefix")
    if node is None:
        return defaults.tag_prefix
    prefix = read_tag_prefix(reading, node, "tag_prefix")
    if defaults.tag_prefix and prefix != defaults.tag_prefix:
        message = f"'tag_prefix' is {shown(prefix)} here and {shown(defaults.tag_prefix)} in 'defaults'"
        reading.findings.add(node, message, key="tag_prefix", suggestion="write it once")
    return prefix


def _read_plain_http(reading: Reading, top: Members) -> tuple[str, ...]:
    node = top.get("plain_http")
    hosts = read_texts(reading, node, "plain_http") if node else []
    for host, item in hosts:
        if not is_host(host):
            suggestion = "write host:port, as in registry.internal:5000"
            reading.findings.add(item, f"{shown(host)} is not a registry host", key="plain_http", suggestion=suggestion)
    return tuple(host for host, _ in hosts)


def _read_trusted(reading: Reading, top: Members) -> tuple[str, ...]:
    node = top.get("scopes")
    members = read_members(reading, node, "scopes", SCOPES) if node else None
    trusted = require(reading, members, "trusted", "as in [refs/heads/main]") if members else None
    if trusted is None:
        return ()
    patterns = read_texts(reading, trusted, "scopes.trusted")
    if isinstance(trusted, SequenceNode) and not trusted.items:
        # An empty list reads like "nobody", and without the key everybody is trusted: too near to guess.
        message = "'trusted' names no ref"
        reading.findings.add(trusted, message, key="scopes.trusted", suggestion="remove 'scopes' to trust every ref")
    for pattern, item in patterns:
        if not _REF_PATTERN.fullmatch(pattern):
            message = f"{shown(pattern)} is not a full ref"
            reading.findings.add(item, message, key="scopes.trusted", suggestion="as in refs/heads/main or refs/tags/*")
    return tuple(pattern for pattern, _ in patterns)
