"""The tree of the whole file to a :class:`~pipeline_kit.config.model.Config`."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from pipeline_kit.config.arguments import replace_environment
from pipeline_kit.config.checks import check_images
from pipeline_kit.config.deployments import read_deploy, read_retention
from pipeline_kit.config.document import MappingNode, Node, ScalarNode, SequenceNode
from pipeline_kit.config.fields import (
    Members,
    Reading,
    read_members,
    read_named,
    read_text,
    read_texts,
    read_word,
    require,
)
from pipeline_kit.config.findings import shown
from pipeline_kit.config.images import ImageDraft, Place, read_image
from pipeline_kit.config.keys import ALLOW_WORDS, FOREIGN, NAME_PATTERN, SCOPES, TOP, VERIFY_WORDS
from pipeline_kit.config.model import Config, Verify
from pipeline_kit.config.placeholders import expand, split_template, template_faults
from pipeline_kit.config.scanning import read_scan
from pipeline_kit.config.settings import Settings, add_faults, read_defaults, read_tag_prefix
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.reference import is_host, is_repository

if TYPE_CHECKING:
    from pipeline_kit.config.imports.merging import Imported
    from pipeline_kit.config.imports.source import ImportSource

VERSION = "1"
_IMAGE_NAME = re.compile(NAME_PATTERN)
_REF_PATTERN = late_pattern(r"refs/[^\s~^:\\]+")


def read_config(reading: Reading, root: MappingNode, source: ImportSource | None) -> Config:
    """Return the configuration. Where the findings hold problems, the value only served to find more of them."""
    top = read_members(reading, root, "", TOP, foreign=FOREIGN)
    if top is None:  # pragma: no cover - read_document answers with a mapping
        raise TypeError
    _check_version(reading, top)
    place = _read_place(reading, top)
    imported = _read_imports(reading, top, place, source)
    if imported and imported.project and place.is_project_known and not place.project:
        place = place._replace(project=imported.project)
    defaults = read_defaults(reading, top.get("defaults"))
    drafts, names = _read_images(reading, top, place, defaults, imported)
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
        allow=_read_allow(reading, top),
        verify=cast("Verify", (read_word(reading, verify, "verify", VERIFY_WORDS) if verify else None) or "tag"),
        trusted=_read_trusted(reading, top),
        retention=read_retention(reading, top.get("retention"), deployments),
        scan=read_scan(reading, top.get("scan")),
        imports=imported.files if imported else (),
        warnings=tuple(sorted(reading.findings.warnings)),
    )


def _check_version(reading: Reading, top: Members) -> None:
    node = require(reading, top, "version", "begin with 'version: 1'")
    if node is None or (isinstance(node, ScalarNode) and node.plain and node.value == VERSION):
        return
    what = shown(node.value) if isinstance(node, ScalarNode) else "this"
    message = f"{what} is not a version that this program reads: 1"
    reading.findings.add(node, message, key="version", suggestion="write 'version: 1', without quotes")


def _read_imports(reading: Reading, top: Members, place: Place, source: ImportSource | None) -> Imported | None:
    node = top.get("imports")
    if node is None:
        return None
    # Most configurations import nothing and must not pay for it.
    from pipeline_kit.config.imports.compose import Target  # noqa: PLC0415
    from pipeline_kit.config.imports.loading import read_imports  # noqa: PLC0415
    from pipeline_kit.config.imports.source import NO_SOURCE  # noqa: PLC0415

    return read_imports(reading, node, source or NO_SOURCE, Target(place.host, place.prefix))


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
    reading: Reading, top: Members, place: Place, defaults: Settings, imported: Imported | None
) -> tuple[dict[str, ImageDraft], set[str]]:
    drafts: dict[str, ImageDraft] = {}
    names: set[str] = set()
    node = top.get("images")
    if node is None and imported and imported.files:
        _check_found(reading, top, imported)
    else:
        node = require(reading, top, "images", "name at least one image")
    if imported and imported.images:
        node = _with_imported(top, node, imported)
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


def _check_found(reading: Reading, top: Members, imported: Imported) -> None:
    if not imported.images:
        message = f"no image is described in {', '.join(imported.files)}"
        reading.findings.add(top.nodes["imports"], message, key="imports", suggestion="name images under 'images'")


def _with_imported(top: Members, node: Node | None, imported: Imported) -> Node | None:
    """Return ``images:`` with the imported ones: each below what is written for it here, the others before."""
    from pipeline_kit.config.imports.merging import overlaid  # noqa: PLC0415 - as in _read_imports

    if not (node is None or isinstance(node, MappingNode)):
        return node
    own = {key.value: (key, value) for key, value in node.entries} if node is not None else {}
    entries = dict(imported.images.items()) | {
        name: (key, overlaid(imported.images[name][1], value) if name in imported.images else value)
        for name, (key, value) in own.items()
    }
    at = top.node if node is None else node
    return MappingNode(at.line, at.column, tuple(entries.values()))


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


def _read_allow(reading: Reading, top: Members) -> tuple[str, ...]:
    node = top.get("allow")
    rules = read_texts(reading, node, "allow") if node else []
    words = [read_word(reading, item, "allow", ALLOW_WORDS) for _, item in rules]
    return tuple(sorted({word for word in words if word}))


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
