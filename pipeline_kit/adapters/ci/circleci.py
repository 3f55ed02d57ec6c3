"""CircleCI (docs: "Project values and variables", built-in environment variables).

A fork's pull request has ``CIRCLE_PR_NUMBER`` and ``CIRCLE_BRANCH`` ``pull/12``; one of the same repository is a build
of its branch, and ``CIRCLE_PULL_REQUEST`` names its page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci, Variables, short_branch, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = re.compile(r"https://[A-Za-z0-9.-]+/[^\s?#]+/(?:pull|pull-requests|merge_requests)/([1-9][0-9]{0,11})")
_FORK_BRANCH = re.compile(r"pull/([1-9][0-9]{0,11})(?:/(?:head|merge))?")


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a job's environment says."""
    variables = Variables(environ)
    commit = variables.commit("CIRCLE_SHA1", required=True)
    fork = _FORK_BRANCH.fullmatch(variables.text("CIRCLE_BRANCH"))
    number = variables.pull("CIRCLE_PR_NUMBER") or (int(fork.group(1)) if fork else None)
    is_fork = number is not None or bool(variables.text("CIRCLE_PR_USERNAME"))
    if is_fork:
        ref = f"refs/pull/{number}/head" if number else ""
        if not number:
            variables.warnings.append("CIRCLE_PR_USERNAME is set but not CIRCLE_PR_NUMBER: no ref is assumed")
    else:
        ref = variables.one_ref("CIRCLE_BRANCH", "CIRCLE_TAG")
        number = _page(variables)
    return Ci(
        provider="circleci",
        event="pull_request" if number else "",
        commit=commit,
        head_commit=commit if number else "",
        ref=ref,
        branch="" if is_fork else short_branch(ref),
        pull_request=number,
        is_fork_pull_request=is_fork,
        run_url=variables.url("CIRCLE_BUILD_URL"),
        run_number=variables.number("CIRCLE_BUILD_NUM"),
        warnings=tuple(variables.warnings),
    )


def _page(variables: Variables) -> int | None:
    page = variables.text("CIRCLE_PULL_REQUEST")
    found = _PAGE.fullmatch(page)
    if page and not found:
        variables.warnings.append(f"CIRCLE_PULL_REQUEST is {shown(page)}: not a pull request's page, ignored")
    return int(found.group(1)) if found else None
