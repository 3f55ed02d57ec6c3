"""GitHub Actions (docs: "Variables reference", "Events that trigger workflows", webhook payloads)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_kit.adapters.ci.context import Ci, Variables, is_ref, short_branch, shown
from pipeline_kit.adapters.ci.event_file import read_event
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PULL_REF = re.compile(r"refs/pull/([1-9][0-9]{0,9})/(?:merge|head)")
_PULL_EVENTS = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
_SECRETLESS_EVENTS = ("pull_request", "pull_request_review", "pull_request_review_comment")


class _PullRequest(NamedTuple):
    """Where the code may come from: ``number`` is ``None`` and ``is_fork`` is ``None`` where the event does not say."""

    number: int | None
    is_fork: bool | None
    head_commit: str = ""
    base_commit: str = ""


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a workflow step's environment and event file say."""
    variables = Variables(environ)
    name = variables.text("GITHUB_EVENT_NAME")
    if not name:
        variables.warnings.append("GITHUB_EVENT_NAME is not set: the kind of run is unknown")
    event = read_event(variables)
    ref = variables.ref("GITHUB_REF")
    if not ref:
        variables.warnings.append("GITHUB_REF is not set: no branch, and no trusted scope")
    pull = _pull_request(variables, name, ref, event)
    is_fork = pull.is_fork if pull else False
    return Ci(
        provider="github",
        event=name,
        commit=variables.commit("GITHUB_SHA", required=True),
        head_commit=pull.head_commit if pull else "",
        ref=_trust_ref(variables, name, ref, pull),
        branch=_branch(variables, ref, pull),
        base_ref=_base_ref(variables),
        base_commit=pull.base_commit if pull else _push_base(variables, name, event),
        pull_request=pull.number if pull else None,
        is_fork_pull_request=is_fork,
        can_write=False if is_fork is not False and name in _SECRETLESS_EVENTS else None,
        run_url=_run_url(variables),
        run_number=variables.number("GITHUB_RUN_ID"),
        run_attempt=variables.number("GITHUB_RUN_ATTEMPT"),
        output_file=_file(variables, "GITHUB_OUTPUT"),
        summary_file=_file(variables, "GITHUB_STEP_SUMMARY"),
        warnings=tuple(variables.warnings),
    )


def _pull_request(variables: Variables, name: str, ref: str, event: Mapping[str, Any]) -> _PullRequest | None:
    """Return the pull request whose code may be checked out, whatever the event calls itself."""
    pull = _mapping(event, "pull_request")
    match = _PULL_REF.fullmatch(ref)
    if pull or name in _PULL_EVENTS or match:
        number = _number(pull.get("number")) or (int(match.group(1)) if match else None)
        head, base = _mapping(pull, "head"), _mapping(pull, "base")
        return _PullRequest(
            number,
            _is_fork(head, base) if pull else None,
            variables.checked_commit("event.pull_request.head.sha", head.get("sha")),
            variables.checked_commit("event.pull_request.base.sha", base.get("sha")),
        )
    issue = _mapping(event, "issue")
    if "pull_request" in issue or (name == "issue_comment" and not issue):
        return _PullRequest(_number(issue.get("number")), None)
    return _workflow_run(variables, event) if name == "workflow_run" else None


def _workflow_run(variables: Variables, event: Mapping[str, Any]) -> _PullRequest | None:
    """Return the pull request behind a ``workflow_run``; such a run has secrets and may check out a fork's code."""
    run = _mapping(event, "workflow_run")
    trigger = run.get("event")
    if isinstance(trigger, str) and not trigger.startswith("pull_request"):
        return None
    pulls = run.get("pull_requests")
    first = pulls[0] if isinstance(pulls, list) and pulls and isinstance(pulls[0], dict) else {}
    head = {"repo": run.get("head_repository")}
    base = {"repo": event.get("repository")}
    sha = variables.checked_commit("event.workflow_run.head_sha", run.get("head_sha"))
    return _PullRequest(_number(first.get("number")), _is_fork(head, base) if run else None, sha)


def _is_fork(head: Mapping[str, Any], base: Mapping[str, Any]) -> bool | None:
    """Compare repositories; a head without one is a fork that was deleted. ``None`` when the base is not told."""
    ours = _mapping(base, "repo").get("full_name")
    if not isinstance(ours, str):
        return None
    theirs = _mapping(head, "repo").get("full_name")
    return not isinstance(theirs, str) or theirs.lower() != ours.lower()


def _trust_ref(variables: Variables, name: str, ref: str, pull: _PullRequest | None) -> str:
    if pull is None or _PULL_REF.fullmatch(ref):
        return ref
    number = pull.number
    variables.warnings.append(
        f"{name or 'this event'} names {ref or 'no ref'} while a pull request's code may be checked out: "
        "treated as the pull request, not as the branch"
    )
    return f"refs/pull/{number}/head" if number else ""


def _branch(variables: Variables, ref: str, pull: _PullRequest | None) -> str:
    if pull is None:
        return short_branch(ref)
    head = variables.text("GITHUB_HEAD_REF")
    if pull.is_fork is not False or not head:
        return ""
    if not is_ref(f"refs/heads/{head}"):
        variables.warnings.append(f"GITHUB_HEAD_REF is {shown(head)}: not a branch name, ignored")
        return ""
    return head


def _base_ref(variables: Variables) -> str:
    base = variables.text("GITHUB_BASE_REF")
    if not base or is_ref(f"refs/heads/{base}"):
        return f"refs/heads/{base}" if base else ""
    variables.warnings.append(f"GITHUB_BASE_REF is {shown(base)}: not a branch name, ignored")
    return ""


def _push_base(variables: Variables, name: str, event: Mapping[str, Any]) -> str:
    if name == "push":
        return variables.checked_commit("event.before", event.get("before"))
    if name == "merge_group":
        return variables.checked_commit("event.merge_group.base_sha", _mapping(event, "merge_group").get("base_sha"))
    return ""


def _run_url(variables: Variables) -> str:
    server, repository = variables.text("GITHUB_SERVER_URL"), variables.text("GITHUB_REPOSITORY")
    run, attempt = variables.text("GITHUB_RUN_ID"), variables.text("GITHUB_RUN_ATTEMPT")
    well_formed = re.fullmatch(r"https?://[A-Za-z0-9.:-]+", server) and re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    if not well_formed or not run.isdecimal():
        return ""
    tail = f"/attempts/{attempt}" if attempt.isdecimal() else ""
    return f"{server}/{repository}/actions/runs/{run}{tail}"


def _file(variables: Variables, name: str) -> Path | None:
    value = variables.text(name)
    if not value:
        variables.warnings.append(f"{name} is not set: nothing can be written there")
        return None
    return Path(value)


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
