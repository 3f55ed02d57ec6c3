"""CodeBuild batches: the buildspec of a plan's builds, and a batch that is started and followed to its end.

Source: botocore's model of AWS CodeBuild (StartBuildBatch, BatchGetBuildBatches, StopBuildBatch).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import AwsRefused, InputError, Interrupted, PipelineKitError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline_kit.adapters.ci import Ci
    from pipeline_kit.plan import Plan
    from pipeline_kit.ports.clock import Clock

    Call = Callable[..., dict[str, Any]]
    """Calls AWS: ``call(service, operation, **parameters)``."""

NOTHING = "# Nothing to build: no batch is to be started.\n"
_RUNNING = "IN_PROGRESS"
_SUCCEEDED = "SUCCEEDED"
_MOST_MISSED = 6
"""Looks that may find no batch: right after its start AWS may not know it everywhere."""


class BatchOrder(NamedTuple):
    """What to start: a batch of ``project`` with a buildspec of its own."""

    project: str
    buildspec: str
    source_version: str
    """What to check out; ``""`` leaves it to the project."""
    variables: Mapping[str, str]
    """Handed on to every build."""


class BatchBuild(NamedTuple):
    """One build of a batch: its state (a status, ``""`` while it waits) and its page in the console."""

    state: str
    url: str = ""


class BatchResult(NamedTuple):
    """How a batch stands: its ARN, its status, and its builds by identifier."""

    arn: str
    status: str
    builds: Mapping[str, BatchBuild]

    @property
    def succeeded(self) -> bool:
        """Return whether the batch ended well."""
        return self.status == _SUCCEEDED

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        builds = {name: {"status": build.state or "WAITING", "url": build.url} for name, build in self.builds.items()}
        return {"arn": self.arn, "status": self.status, "builds": builds}


def batch_text(
    plan: Plan, path: Path | None, variables: Mapping[str, str], *, per_platform: bool, only: str | None = None
) -> str:
    """Return the buildspec of the plan's builds, or :data:`NOTHING` where there is nothing to build.

    Each carries out the phases of the buildspec at ``path``, or of the template build.yml. Raises InputError.
    """
    from pipeline_kit.outputs.codebuild_batch import batch_buildspec, batch_nodes

    nodes = batch_nodes(plan, per_platform=per_platform, only=only)
    return batch_buildspec(nodes, _template(path), variables) if nodes else NOTHING


def is_nothing(text: str) -> bool:
    """Return whether a buildspec has nothing but comments."""
    return all(line.lstrip()[:1] in ("", "#") for line in text.splitlines())


def _template(path: Path | None) -> Mapping[str, Any]:
    import yaml

    from pipeline_kit.adapters.templates import read_template

    name = str(path) if path is not None else "build.yml"
    try:
        text = read_template("buildspecs", "build") if path is None else path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{name}: not a buildspec: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InputError(f"{name}: not a buildspec: it is no mapping")
    return document


def source_version(ci: Ci, environ: Mapping[str, str]) -> str:
    """Return the commit that this build has checked out, with its ref where that is told: the batch builds the same.

    The form with a ref (``refs/heads/main^{commit}``) tells the batch's builds their ref, by which they are trusted or
    not. A source in a bucket has a version id instead.
    """
    if ci.commit and ci.ref:
        return f"{ci.ref}^{{{ci.commit}}}"
    named = environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") or environ.get("CODEBUILD_SOURCE_VERSION", "")
    # CodePipeline names its artifact's ARN there, which no other project can check out.
    return ci.commit or ("" if named.startswith("arn:") else named)


def run_batch(
    order: BatchOrder, call: Call, clock: Clock, tell: Callable[[str], None], *, every: float, wait: bool
) -> BatchResult:
    """Start a batch and, with ``wait``, look at it ``every`` so many seconds until it has ended.

    An interruption stops the batch. Raises what calling AWS raises, and AwsRefused where AWS knows no such batch.
    """
    found = call("codebuild", "StartBuildBatch", **_request(order))["buildBatch"]
    result = _result(found)
    tell(f"started {result.arn}")
    _tell_changes(result._replace(builds={}), result, tell)
    try:
        return _follow(str(found["id"]), result, call, clock, tell, every=every) if wait else result
    except Interrupted:
        _stop(str(found["id"]), call, tell)
        raise
    except PipelineKitError:
        tell(f"the batch goes on, and is not followed any more: {result.arn}")
        raise


def _follow(
    batch: str, result: BatchResult, call: Call, clock: Clock, tell: Callable[[str], None], *, every: float
) -> BatchResult:
    missed = 0
    while result.status == _RUNNING:
        clock.sleep(every)
        found = call("codebuild", "BatchGetBuildBatches", ids=[batch]).get("buildBatches")
        missed = 0 if found else missed + 1
        if missed == _MOST_MISSED:
            raise AwsRefused(f"AWS says that there is no batch {batch}", code="buildBatchesNotFound")
        if found:
            before, result = result, _result(found[0])
            _tell_changes(before, result, tell)
    return result


def _request(order: BatchOrder) -> dict[str, Any]:
    variables = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in order.variables.items()]
    return {
        "projectName": order.project,
        "buildspecOverride": order.buildspec,
        # So that a repetition after a lost answer starts no second batch.
        "idempotencyToken": uuid.uuid4().hex,
        **({"sourceVersion": order.source_version} if order.source_version else {}),
        **({"environmentVariablesOverride": variables} if variables else {}),
    }


def _stop(batch: str, call: Call, tell: Callable[[str], None]) -> None:
    try:
        call("codebuild", "StopBuildBatch", id=batch)
    except PipelineKitError as error:
        tell(f"the batch goes on: it could not be stopped: {error.message}")
    else:
        tell("stopped the batch; what was pushed is whole and will be skipped next time")


def _result(found: Mapping[str, Any]) -> BatchResult:
    builds = {}
    for group in found.get("buildGroups") or ():
        summary = group.get("currentBuildSummary") or {}
        builds[str(group.get("identifier"))] = BatchBuild(str(summary.get("buildStatus", "")), _page(summary))
    status = str(found.get("buildBatchStatus") or _RUNNING)
    return BatchResult(str(found.get("arn") or found["id"]), status, builds)


def _page(summary: Mapping[str, Any]) -> str:
    from pipeline_kit.adapters.ci.codebuild import run_url

    return run_url(str(summary.get("arn", "")))


def _tell_changes(before: BatchResult, now: BatchResult, tell: Callable[[str], None]) -> None:
    for name, build in now.builds.items():
        if build.state and build.state != before.builds.get(name, BatchBuild("")).state:
            tell(f"{name}: {build.state}{f' {build.url}' if build.url else ''}")
