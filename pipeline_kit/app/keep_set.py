"""What must be kept, from every source of truth: ECS, manifests given as files, git's branches and tags, build records.

A source that cannot be read raises: then nothing is deleted.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import CheckoutError, InputError
from pipeline_kit.retention import Uses, uses_in_documents
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.adapters.git.heads import Head
    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsDeployment
    from pipeline_kit.config.model import Retention
    from pipeline_kit.ports.ecs import Schedules
    from pipeline_kit.ports.usage import Usage

_LARGEST_MANIFEST = 64 * 1024 * 1024


@value_class()
class Where:
    """How one environment is asked: where its images run, and what starts tasks on a schedule."""

    usage: Usage
    schedules: Schedules


@value_class(frozen=False)
class Heads:
    """Commits that branches, tags and the caller name, each with the first name it goes by."""

    commits: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def ecs_uses(
    deployments: Mapping[str, EcsDeployment], retention: Retention, open_where: Callable[[EcsDeployment], Where]
) -> Uses:
    """Return what the environments of ``keep_ecs`` (all where none is named) use. Raises what AWS's adapters raise."""
    found = Uses()
    for name in retention.keep_ecs or tuple(deployments):
        deployment = deployments[name]
        where = open_where(deployment)
        families, definitions = _named(deployment, where.schedules)
        found.add(where.usage.uses(deployment.cluster, families, definitions, retention.keep_revisions))
    return found


def _named(deployment: EcsDeployment, schedules: Schedules) -> tuple[set[str], set[str]]:
    """Return families and revisions that the configuration, its rules and its schedules name."""
    families: set[str] = set()
    definitions: set[str] = set()
    for service in deployment.services.values():
        if service.family:
            families.add(service.family)
        if service.source == "family":
            families.add(service.task_definition.rpartition("/")[2].partition(":")[0])
        for rule in service.events:
            for target in schedules.rule_targets(rule):
                definitions.update(_definitions_in(target))
        for schedule in service.schedules:
            definitions.update(_definitions_in(schedules.schedule(schedule).get("Target") or {}))
    return families, definitions


def _definitions_in(target: Mapping[str, Any]) -> Iterable[str]:
    part = target.get("EcsParameters") or {}
    arn = part.get("TaskDefinitionArn")
    return (str(arn),) if arn else ()


def manifest_uses(paths: Sequence[Path]) -> Uses:
    """Return what Kubernetes manifests, Compose files or any YAML or JSON documents name.

    Raises InputError for a file that cannot be read whole.
    """
    found = Uses()
    for path in paths:
        found.add(_file_uses(path))
    return found


def _file_uses(path: Path) -> Uses:
    import sys

    import yaml

    hint = "leave out what is no manifest; nothing is deleted while one cannot be read"
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as stream:
            data = stream.read(_LARGEST_MANIFEST + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if len(data) > _LARGEST_MANIFEST:
        raise InputError(f"{path}: larger than {_LARGEST_MANIFEST} bytes", hint=hint)
    if data.count(b"*") and any(isinstance(event, yaml.AliasEvent) for event in _events(path, data)):
        raise InputError(f"{path}: YAML aliases are not followed", hint="write the file out: yq 'explode(.)' FILE")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(data, Loader=loader))
        return uses_in_documents(documents, f"manifest {path.name}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0][:200]}", hint=hint) from error


def _events(path: Path, data: bytes) -> Iterable[Any]:
    import yaml

    try:
        yield from yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0][:200]}") from error


def git_heads(session: Session, *, keep_branches: bool, revisions: Sequence[str], skipped: Sequence[str]) -> Heads:
    """Return what branches, tags and ``revisions`` stand at; refs that match a pattern of ``skipped`` are left out.

    Raises CheckoutError where refs are not here, InputError for a revision that is not.
    """
    found = Heads()
    history = session.project.history
    if history is None and (keep_branches or revisions):
        raise CheckoutError("there is no git here to tell the branches", hint="write keep_branches: false")
    if history is None:
        return found
    for revision in revisions:
        commit = history.resolve(revision)
        if commit is None:
            raise InputError(f"--keep-commit {revision}: no such commit here", hint="fetch it first")
        found.commits.setdefault(commit, revision)
    if not keep_branches:
        return found
    from pipeline_kit.adapters.git.heads import heads
    from pipeline_kit.adapters.git.history import GitHistory

    if not isinstance(history, GitHistory):  # there is no other
        raise TypeError
    for head in heads(history):
        if not any(fnmatchcase(head.ref, pattern) or fnmatchcase(head.name, pattern) for pattern in skipped):
            _note(found, head)
    here = history.resolve("HEAD")  # a pull request's checkout is on no branch
    if here is not None:
        found.commits.setdefault(here, "HEAD")
    return found


def _note(found: Heads, head: Head) -> None:
    kind = "tag" if head.ref.startswith("refs/tags/") else "branch"
    found.commits.setdefault(head.commit, f"{kind} {head.name}" if "/pull/" not in head.ref else head.name)
    found.names.append(head.name)


def head_uses(session: Session, heads: Heads) -> Uses:
    """Return the content tags of all images at every head, and the tags for people that branches have.

    A commit without a configuration has no images. Raises what computing tags raises, with the head's name.
    """
    from pipeline_kit.config import slug

    found = Uses(tags={slug(name): f"branch or tag {name}" for name in heads.names})
    for commit, name in heads.commits.items():
        found.add(_tags_at(session, commit, name))
    return found


def _tags_at(session: Session, commit: str, name: str) -> Uses:
    from pipeline_kit.app.compare import at_commit
    from pipeline_kit.app.tagging import compute_tags
    from pipeline_kit.errors import PipelineKitError

    history = session.project.history
    tree = history.commit_tree(commit) if history is not None else None
    if tree is None or tree.read(_config_path(session)) is None:
        return Uses()
    try:
        project = at_commit(session, commit)
        values = {**session.around.values, "sha": commit, "short_sha": commit[:12]}
        around = session.around._replace(values=values)
        tagged = compute_tags(project, tuple(project.config.images), around, lambda: session.registry)
    except PipelineKitError as error:
        error.args = (f"{name} ({commit[:12]}): {error.message}",)
        error.message = error.args[0]
        error.hint = f"mend or delete it, or leave it out with --skip-ref; {error.hint or 'nothing was deleted'}"
        raise
    return Uses(tags={str(keyed.tag): name for keyed in tagged.keyed.values() if keyed.tag})


def _config_path(session: Session) -> str:
    project = session.project
    return project.in_tree(project.config_path.name)
