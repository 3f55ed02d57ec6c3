"""The resolved configuration as values (design D3).

Built only by :func:`pipeline_kit.config.load`, so whoever holds one knows that every rule of D3 was checked. All paths
are POSIX strings relative to the configuration file's directory, without ``./`` and ``..`` unless the path leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.errors import Problem

Bases = Literal["resolve", "lock", "ignore"]
Verify = Literal["tag", "label", "record"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something was written: file name as given, 1-based line and column."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class DirectoryContext:
    """A named context that is a directory here."""

    path: str


@dataclass(frozen=True, slots=True)
class ImageContext:
    """A named context that is another image of this configuration (written ``image:NAME``)."""

    image: str


@dataclass(frozen=True, slots=True)
class ReferenceContext:
    """A named context that is an image of some registry (written ``docker-image://REFERENCE``)."""

    reference: str


NamedContext = DirectoryContext | ImageContext | ReferenceContext


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a build secret's value comes from: an environment variable or a file; exactly one is set."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """BuildKit layer cache: ``mode`` is one of D3's words, or ``custom`` with ``to`` and ``from_`` entries."""

    mode: str = "auto"
    to: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """One entry of ``images:`` with the defaults applied."""

    name: str
    repository: str
    context: str
    dockerfile: str
    """Relative to the configuration file's directory, like every path here (in the file: relative to the context)."""
    location: Location
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    """Templates for :func:`pipeline_kit.config.expand`: ``{sha}`` is open, ``{env.NAME}`` already replaced."""
    volatile_args: tuple[str, ...] = ()
    contexts: Mapping[str, NamedContext] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ("linux/amd64",)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ssh: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds, or ``None``."""
    aliases: tuple[str, ...] = ()
    """Templates such as ``{branch}``, not expanded."""
    bases: Bases = "resolve"
    cache: CacheSpec = field(default_factory=CacheSpec)
    dockerfile_location: Location | None = None


@dataclass(frozen=True, slots=True)
class EcsService:
    """One service of an ECS deployment: its task definition file and ``container name -> image name``."""

    name: str
    task_definition: str
    containers: Mapping[str, str]
    location: Location


@dataclass(frozen=True, slots=True)
class EcsDeployment:
    """One entry of ``deploy.ecs``."""

    name: str
    cluster: str
    services: Mapping[str, EcsService]
    location: Location


@dataclass(frozen=True, slots=True)
class Retention:
    """The keep rules of ``retention:`` (design D9); ``None`` means that the rule was not written."""

    keep_last: int | None = None
    """Content tags of each repository, newest first."""
    keep_days: int | None = None
    keep_branches: bool = True
    keep_ecs: tuple[str, ...] = ()
    """Names of ``deploy.ecs`` entries whose running tasks and recent revisions are kept."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of pipeline-kit.yaml."""

    file: str
    project: str
    """Prefix of default repositories, ``""`` where every image names its own."""
    registry: str
    """Host with an optional port; a path written behind it is part of every image's ``repository``."""
    images: Mapping[str, ImageConfig]
    ecs: Mapping[str, EcsDeployment] = field(default_factory=dict)
    tag_prefix: str = ""
    plain_http: tuple[str, ...] = ()
    """Registry hosts (``host:port``) spoken to over plain http besides loopback ones."""
    verify: Verify = "tag"
    trusted: tuple[str, ...] = ()
    """Patterns of refs under ``scopes.trusted``; empty means that every ref is trusted."""
    retention: Retention | None = None
    imports: tuple[str, ...] = ()
    """Files of ``imports:``; always empty in this version, which refuses a list that names any."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and probably not meant, sorted by position."""
