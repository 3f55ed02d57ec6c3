"""GitLab CI (docs: "Predefined CI/CD variables reference").

In merge request pipelines ``CI_COMMIT_BRANCH`` is unset, and ``CI_COMMIT_REF_NAME`` is the source branch, which a fork
may call ``main``: only the merge request's own variables count there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci, Variables, short_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXTERNAL = "CI_EXTERNAL_PULL_REQUEST_"
_MERGE = "CI_MERGE_REQUEST_"


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a job's environment says."""
    variables = Variables(environ)
    event = variables.text("CI_PIPELINE_SOURCE")
    commit = variables.commit("CI_COMMIT_SHA", required=True)
    number = variables.pull(f"{_MERGE}IID") or variables.pull(f"{_EXTERNAL}IID")
    is_request = number is not None or event in ("merge_request_event", "external_pull_request_event")
    if is_request and number is None:
        variables.warnings.append(f"CI_PIPELINE_SOURCE is {event} and no merge request is named: no ref is assumed")
    ref = "" if is_request else variables.one_ref("CI_COMMIT_BRANCH", "CI_COMMIT_TAG")
    run = Ci(
        "gitlab",
        event=event,
        commit=commit,
        ref=ref,
        branch=short_branch(ref),
        run_url=variables.url("CI_PIPELINE_URL"),
        run_number=variables.number("CI_PIPELINE_ID"),
    )
    if is_request:
        run = _request(variables, run, number)
    else:
        run = run._replace(base_commit=variables.commit("CI_COMMIT_BEFORE_SHA"))
    return run._replace(warnings=tuple(variables.warnings))


def _request(variables: Variables, run: Ci, number: int | None) -> Ci:
    is_external = not variables.text(f"{_MERGE}IID")
    start = _EXTERNAL if is_external else _MERGE
    is_fork = _is_fork(variables, is_external=is_external)
    source = variables.branch_ref(f"{start}SOURCE_BRANCH_NAME")
    # A detached pipeline runs on the head itself; merged results are commits of their own, and name the head's.
    is_merged = variables.text(f"{_MERGE}EVENT_TYPE") not in ("", "detached")
    head = variables.commit(f"{start}SOURCE_BRANCH_SHA")
    return run._replace(
        head_commit=head or ("" if is_merged else run.commit),
        ref=f"refs/pull/{number}/head" if number else "",
        branch=short_branch(source) if is_fork is False else "",
        base_ref=variables.branch_ref(f"{start}TARGET_BRANCH_NAME"),
        base_commit=variables.commit(f"{_EXTERNAL}TARGET_BRANCH_SHA" if is_external else f"{_MERGE}DIFF_BASE_SHA"),
        pull_request=number,
        is_fork_pull_request=is_fork,
    )


def _is_fork(variables: Variables, *, is_external: bool) -> bool | None:
    """Compare the projects; ``None`` where one of them is not told."""
    if is_external:
        ours, theirs = (variables.text(f"{_EXTERNAL}{side}_REPOSITORY").lower() for side in ("TARGET", "SOURCE"))
    else:
        ours, theirs = (variables.text(f"{_MERGE}{side}PROJECT_ID") for side in ("", "SOURCE_"))
    return None if not ours or not theirs else ours != theirs
