"""Buildkite (docs: "Environment variables").

``BUILDKITE_BRANCH`` of a pull request is its head branch, for a fork's with ``owner:`` before it, as the project says.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci, Variables, short_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = re.compile(r"(?:[a-z+]+://)?(?:[^@/\s]+@)?([A-Za-z0-9.-]+)(?::[0-9]+)?[:/]/*([^\s?#]+?)(?:\.git)?/*")


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a job's environment says."""
    variables = Variables(environ)
    told = variables.text("BUILDKITE_COMMIT")
    commit = "" if told == "HEAD" else variables.checked_commit("BUILDKITE_COMMIT", told)
    number = variables.pull("BUILDKITE_PULL_REQUEST")
    is_pull = variables.text("BUILDKITE_PULL_REQUEST") not in ("", "false")
    is_fork = _is_fork(variables) if is_pull else False
    if is_pull:
        ref = f"refs/pull/{number}/head" if number else ""
    elif variables.text("BUILDKITE_TAG"):  # BUILDKITE_BRANCH is set as well, to what the tag was built from
        ref = variables.branch_ref("BUILDKITE_TAG", "refs/tags/")
    else:
        ref = variables.one_ref("BUILDKITE_BRANCH", "BUILDKITE_TAG")
    head = short_branch(variables.branch_ref("BUILDKITE_BRANCH")) if is_pull and is_fork is False else ""
    return Ci(
        provider="buildkite",
        event=variables.text("BUILDKITE_SOURCE"),
        commit=commit,
        head_commit=commit if is_pull else "",
        ref=ref,
        branch=head if is_pull else short_branch(ref),
        base_ref=variables.branch_ref("BUILDKITE_PULL_REQUEST_BASE_BRANCH") if is_pull else "",
        pull_request=number,
        is_fork_pull_request=is_fork,
        run_url=variables.url("BUILDKITE_BUILD_URL"),
        run_number=variables.number("BUILDKITE_BUILD_NUMBER"),
        run_attempt=variables.number("BUILDKITE_RETRY_COUNT"),
        warnings=tuple(variables.warnings),
    )


def _is_fork(variables: Variables) -> bool | None:
    """Compare the repositories' addresses, whatever their scheme; ``None`` where one cannot be read."""
    ours, theirs = (_repository(variables.text(name)) for name in ("BUILDKITE_REPO", "BUILDKITE_PULL_REQUEST_REPO"))
    return None if ours is None or theirs is None else ours != theirs


def _repository(address: str) -> tuple[str, str] | None:
    found = _ADDRESS.fullmatch(address)
    return (found.group(1).lower(), found.group(2).lower()) if found else None
