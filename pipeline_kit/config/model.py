"""The resolved configuration as values (design D3).

Built only by :func:`pipeline_kit.config.load`, so whoever holds one knows that every rule of D3 was checked. All paths
are POSIX strings relative to the configuration file's directory, without ``./`` and ``..`` unless the path leaves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.errors import Problem

Bases = Literal["resolve", "lock", "ignore"]
Verify = Literal["tag", "label", "record", "deep"]
"""How much proof a hit needs; each word asks for what those before it ask, and more."""


class Location(NamedTuple):
    """Where something was written: file name as given, 1-based line and column."""

    file: str
    line: int
    column: int


@value_class()
class DirectoryContext:
    """A named context that is a directory here."""

    path: str


@value_class()
class ImageContext:
    """A named context that is another image of this configuration (written ``image:NAME``)."""

    image: str


@value_class()
class ReferenceContext:
    """A named context that is an image of some registry (written ``docker-image://REFERENCE``)."""

    reference: str


NamedContext = DirectoryContext | ImageContext | ReferenceContext


class Secret(NamedTuple):
    """Where a build secret's value comes from: an environment variable or a file; exactly one is set."""

    env: str | None = None
    file: str | None = None


class CacheSpec(NamedTuple):
    """BuildKit layer cache: ``mode`` is one of D3's words, or ``custom`` with ``to`` and ``from_`` entries."""

    mode: str = "auto"
    to: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()


@value_class()
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


Source = Literal["file", "family", "service"]
"""Where a task definition comes from: a file here, a family or revision in ECS, or what the service runs now."""


@value_class()
class ContainerChanges:
    """What the configuration changes in a container besides its image; ``None`` as a value removes that entry."""

    environment: Mapping[str, str | None] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    """Names to ARNs of secrets or parameters."""
    command: tuple[str, ...] | None = None
    entry_point: tuple[str, ...] | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    log_driver: str | None = None
    log_options: Mapping[str, str | None] = field(default_factory=dict)


class CodeDeploy(NamedTuple):
    """Who deploys a service whose controller is CodeDeploy; what is not written is found, or the default."""

    application: str | None = None
    deployment_group: str | None = None
    appspec: str | None = None
    """A file whose hooks are kept."""
    container: str | None = None
    port: int | None = None


class Network(NamedTuple):
    """The awsvpc configuration of a one-off task."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    public_ip: bool = False


@value_class()
class EcsService:
    """One service (or, with ``is_task``, one-off or scheduled task) of an ECS deployment.

    ``task_definition`` is a path, a family, ``family:revision``, an ARN, or ``service``, as ``source`` says;
    ``containers`` maps container names to image names, ``changes`` to what else is set in them.
    """

    name: str
    task_definition: str
    containers: Mapping[str, str]
    location: Location
    source: Source = "file"
    changes: Mapping[str, ContainerChanges] = field(default_factory=dict)
    service: str = ""
    """The service's name in ECS."""
    is_task: bool = False
    family: str | None = None
    codedeploy: CodeDeploy | None = None
    events: tuple[str, ...] = ()
    """EventBridge rules, ``rule`` or ``bus/rule``, whose targets follow the revision."""
    schedules: tuple[str, ...] = ()
    """EventBridge Scheduler schedules, ``name`` or ``group/name``, likewise."""
    timeout: int | None = None
    """Seconds to wait for steadiness."""
    network: Network | None = None
    launch_type: str | None = None


class EcsDeployment(NamedTuple):
    """One entry of ``deploy.ecs``."""

    name: str
    cluster: str
    services: Mapping[str, EcsService]
    location: Location
    region: str | None = None


class Retention(NamedTuple):
    """The keep rules of ``retention:`` (design D9); ``None`` means that the rule was not written."""

    keep_last: int | None = None
    """Content tags of each repository, newest first."""
    keep_days: int | None = None
    keep_branches: bool = True
    keep_ecs: tuple[str, ...] = ()
    """Names of ``deploy.ecs`` entries whose running tasks and recent revisions are kept; none written: all of them."""
    keep_revisions: int = 10
    """Newest task definition revisions of each family whose images are kept."""
    keep_tags: tuple[str, ...] = ("*",)
    """Patterns of tags for people (all that are not content tags) whose images are kept."""
    min_age: int = 86_400
    """Seconds for which every image is kept: a run may be about to deploy it."""


@value_class()
class IgnoredFinding:
    """A finding of image scans that does not count through the day ``until`` (``YYYY-MM-DD``)."""

    id: str
    until: str
    reason: str


@value_class()
class ScanRules:
    """``scan:``: the least severity that fails, which API tells of scans, and what is ignored."""

    fail_on: str = "high"
    api: str = "auto"
    ignore: tuple[IgnoredFinding, ...] = ()


@value_class()
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
    allow: tuple[str, ...] = ()
    """Of :data:`pipeline_kit.allowances.ALLOWABLE`: what is built as it lies on disk."""
    verify: Verify = "tag"
    trusted: tuple[str, ...] = ()
    """Patterns of refs under ``scopes.trusted``; empty means that every ref is trusted."""
    retention: Retention | None = None
    scan: ScanRules = field(default_factory=ScanRules)
    imports: tuple[str, ...] = ()
    """Files of ``imports:``, relative to the configuration file's directory."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and probably not meant, sorted by position."""
