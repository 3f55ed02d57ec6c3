"""AWS CodeBuild (user guide: "Environment variables in build environments", webhook variables)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline_kit.adapters.ci.context import Ci, Variables, is_ref, short_branch, shown
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PULL = re.compile(r"(?:pr/|refs/pull/)([1-9][0-9]{0,9})(?:/(?:head|merge))?(?:\^\{[0-9a-f]{40}\})?")
_REF_AT_COMMIT = re.compile(r"(refs/[^^]+)\^\{[0-9a-f]{40}\}")
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ARN = re.compile(r"arn:(aws[a-z-]*):codebuild:([a-z0-9-]+):([0-9]{12}):build/([A-Za-z0-9_-]+):([A-Za-z0-9-]+)")
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}


class _Source(NamedTuple):
    ref: str = ""
    pull_request: int | None = None


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a build's environment says."""
    variables = Variables(environ)
    source = _source(variables)
    is_pull = source.pull_request is not None
    commit = _commit(variables)
    return Ci(
        provider="codebuild",
        event=variables.text("CODEBUILD_WEBHOOK_EVENT") or variables.text("CODEBUILD_INITIATOR"),
        commit=commit,
        head_commit=commit if is_pull else "",
        ref=source.ref,
        branch=short_branch(source.ref),
        base_ref=variables.ref("CODEBUILD_WEBHOOK_BASE_REF") if is_pull else "",
        base_commit=variables.commit("CODEBUILD_WEBHOOK_PREV_COMMIT"),
        pull_request=source.pull_request,
        is_fork_pull_request=None if is_pull else False,
        run_url=run_url(variables.text("CODEBUILD_BUILD_ARN")),
        run_number=variables.number("CODEBUILD_BUILD_NUMBER"),
        warnings=tuple(variables.warnings),
    )


def _source(variables: Variables) -> _Source:
    """Return the ref; a pull request is ``refs/pull/N/head`` and never its head branch, which a fork may call main."""
    trigger = variables.text("CODEBUILD_WEBHOOK_TRIGGER")
    if not trigger:
        return _from_source_version(variables)
    kind, _, value = trigger.partition("/")
    pull = _PULL.fullmatch(trigger)
    if pull:
        return _pull(pull)
    namespace = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(kind)
    ref = f"{namespace}{value}" if namespace else ""
    if not is_ref(ref):
        variables.warnings.append(f"CODEBUILD_WEBHOOK_TRIGGER is {shown(trigger)}: neither branch, tag nor pr, ignored")
        return _Source()
    head = variables.ref("CODEBUILD_WEBHOOK_HEAD_REF")
    if head and head != ref:
        variables.warnings.append(
            f"CODEBUILD_WEBHOOK_TRIGGER says {shown(ref)} and CODEBUILD_WEBHOOK_HEAD_REF {shown(head)}: "
            "no ref is assumed"
        )
        return _Source()
    return _Source(ref)


def _from_source_version(variables: Variables) -> _Source:
    version = variables.text("CODEBUILD_SOURCE_VERSION")
    pull = _PULL.fullmatch(version)
    if pull:
        return _pull(pull)
    at_commit = _REF_AT_COMMIT.fullmatch(version)
    ref = at_commit.group(1) if at_commit else version
    if is_ref(ref):
        return _Source(ref)
    if version and not _HEX.fullmatch(version) and not version.startswith("arn:"):
        variables.warnings.append(
            f"CODEBUILD_SOURCE_VERSION is {shown(version)}: a branch or a tag, which is not told; "
            "start the build with refs/heads/… or refs/tags/…"
        )
    return _Source()


def _pull(match: re.Match[str]) -> _Source:
    number = int(match.group(1))
    return _Source(f"refs/pull/{number}/head", number)


def _commit(variables: Variables) -> str:
    """Return the commit; S3 sources have none, and their version ids are no reason for a warning."""
    resolved = variables.text("CODEBUILD_RESOLVED_SOURCE_VERSION")
    is_bucket = variables.text("CODEBUILD_SOURCE_VERSION").startswith("arn:") or resolved.startswith("arn:")
    if is_bucket and not _HEX.fullmatch(resolved):
        return ""
    return variables.checked_commit("CODEBUILD_RESOLVED_SOURCE_VERSION", resolved)


def run_url(arn: str) -> str:
    """Return the console's page for a build, or ``""`` where the ARN is not one of a build."""
    match = _ARN.fullmatch(arn)
    if not match or match.group(1) not in _CONSOLES:
        return ""
    partition, region, account, project, build = match.groups()
    page = quote(f"{project}:{build}", safe="")
    return (
        f"https://{region}.{_CONSOLES[partition]}/codesuite/codebuild/{account}/projects/{project}/build/{page}/"
        f"?region={region}"
    )
