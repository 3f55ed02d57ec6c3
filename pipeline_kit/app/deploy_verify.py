"""Whether everything that a task needs is there, before anything is touched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import DeploymentFailed, InvalidReference, PipelineKitError
from pipeline_kit.manifest import normalize_platform
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.ecs import Check, State
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipeline_kit.app.clouds import Cloud
    from pipeline_kit.config import EcsService
    from pipeline_kit.deployment.observations import Service
    from pipeline_kit.ports.registry import Registry
    from pipeline_kit.reference import Reference

_AT_ONCE = 8
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


def verify_place(cloud: Cloud, cluster: str, wanted: Iterable[EcsService]) -> tuple[list[Check], Mapping[str, Service]]:
    """Check the cluster and its services; return the services that are there as well. Raises what ECS answers."""
    status = cloud.ecs.cluster_status(cluster)
    if status != "ACTIVE":
        detail = f"is {status}" if status else ""
        return [Check(f"cluster {cluster}", State.MISSING, detail, "check its name, region and account")], {}
    names = [service.service for service in wanted if not service.is_task]
    found = cloud.ecs.services(cluster, names) if names else {}
    checks = [Check(f"cluster {cluster}", State.PRESENT)]
    for name in names:
        service = found.get(name)
        what = f"service {name}"
        if service is None:
            checks.append(Check(what, State.MISSING, "", "create it, or name it with service:"))
        elif service.status != "ACTIVE":
            checks.append(Check(what, State.MISSING, f"is {service.status}"))
        else:
            checks.append(Check(what, State.PRESENT))
    return checks, found


def verify_definitions(cloud: Cloud, registry: Registry, documents: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Check roles, secrets, log groups, environment files and images of task definitions, each once, in parallel."""
    questions: dict[tuple[str, ...], Callable[[], Check]] = {}
    for document in documents:
        questions.update(_questions(cloud, registry, document))
    with ThreadPoolExecutor(_AT_ONCE, "verify") as pool:
        return list(pool.map(lambda ask: ask(), questions.values()))


def refuse_missing(checks: Sequence[Check]) -> None:
    """Raise DeploymentFailed where something is certainly missing or wrong."""
    bad = [check for check in checks if check.state in (State.MISSING, State.WRONG)]
    if bad:
        lines = [f"  {check.what}: {check.detail or check.state.value}" for check in bad]
        hint = next((check.hint for check in bad if check.hint), "")
        told = "nothing was deployed, because something that it needs is not there:\n" + "\n".join(lines)
        raise DeploymentFailed(told, hint=hint or "create it, or deploy with --no-verify")


def _questions(
    cloud: Cloud, registry: Registry, document: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Callable[[], Check]]]:
    ask = cloud.requirements
    for member in ("executionRoleArn", "taskRoleArn"):
        arn = document.get(member)
        if arn:
            yield ("role", arn), lambda arn=arn: ask.role(arn)  # type: ignore[misc]
    platform = task_platform(document)
    for container in document.get("containerDefinitions") or ():
        for source in _secrets(container):
            yield ("secret", source), lambda source=source: ask.secret(source)  # type: ignore[misc]
        for entry in container.get("environmentFiles") or ():
            file = str(entry.get("value", ""))
            yield ("file", file), lambda file=file: ask.environment_file(file)  # type: ignore[misc]
        group = _log_group(container)
        if group is not None:
            yield ("log", *group), lambda group=group: ask.log_group(*group)  # type: ignore[misc]
        image = str(container.get("image", ""))
        yield ("image", image, platform), lambda image=image: check_image(registry, image, platform)  # type: ignore[misc]


def _secrets(container: Mapping[str, Any]) -> Iterator[str]:
    logging = container.get("logConfiguration") or {}
    for entry in (*(container.get("secrets") or ()), *(logging.get("secretOptions") or ())):
        yield str(entry.get("valueFrom", ""))
    credentials = (container.get("repositoryCredentials") or {}).get("credentialsParameter")
    if credentials:
        yield str(credentials)


def _log_group(container: Mapping[str, Any]) -> tuple[str, str] | None:
    logging = container.get("logConfiguration") or {}
    options = logging.get("options") or {}
    group = options.get("awslogs-group")
    if logging.get("logDriver") != "awslogs" or not group or options.get("awslogs-create-group") == "true":
        return None
    return str(group), str(options.get("awslogs-region", ""))


def task_platform(document: Mapping[str, Any]) -> str:
    """Return the platform that the task's images have to have, ``""`` where the instances decide (EC2 without one).

    Source: ECS API reference, RuntimePlatform; Fargate's default is Linux on X86_64.
    """
    written = document.get("runtimePlatform") or {}
    is_fargate = "FARGATE" in (document.get("requiresCompatibilities") or ())
    if not written and not is_fargate:
        return ""
    system = "windows" if str(written.get("operatingSystemFamily", "")).startswith("WINDOWS") else "linux"
    return f"{system}/{_ARCHITECTURES.get(str(written.get('cpuArchitecture') or 'X86_64'), 'amd64')}"


def check_image(registry: Registry, image: str, platform: str) -> Check:
    """Check that an image is in its registry, and for ``platform`` (``""``: any)."""
    what = f"image {image}"
    try:
        reference = parse_reference(image)
    except InvalidReference as error:
        return Check(what, State.WRONG, error.message)
    answer = registry.observe(reference)
    if answer.verdict is Verdict.ABSENT:
        return Check(what, State.MISSING, "is not in the registry", "run pipeline-kit build")
    if answer.verdict is not Verdict.PRESENT or answer.digest is None:
        return Check(what, State.UNKNOWN, answer.detail or answer.verdict.value, answer.hint)
    try:
        offered = _platforms(registry, reference.with_digest(answer.digest))
    except PipelineKitError as error:
        return Check(what, State.UNKNOWN, error.message, error.hint or "")
    if platform and offered and not any(normalize_platform(one) == platform for one in offered):
        hint = "build it for that platform (images.NAME.platforms), or set runtimePlatform"
        return Check(what, State.WRONG, f"is for {', '.join(offered)}, and the task needs {platform}", hint)
    return Check(what, State.PRESENT, ", ".join(offered))


def _platforms(registry: Registry, reference: Reference) -> tuple[str, ...]:
    manifest = registry.manifest(reference)
    if manifest.is_index:
        return manifest.platforms()
    config = registry.config(reference, manifest.config_digest())
    system, architecture = config.get("os"), config.get("architecture")
    return (normalize_platform(f"{system}/{architecture}"),) if system and architecture else ()
