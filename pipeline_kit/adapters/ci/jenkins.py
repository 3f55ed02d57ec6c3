"""Jenkins (multibranch pipelines: Branch API plugin's variables; Git plugin's ``GIT_…``).

``BRANCH_NAME`` of a pull request is ``PR-12``, and ``CHANGE_BRANCH`` what its author called the branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci, Variables, short_branch, shown

if TYPE_CHECKING:
    from collections.abc import Mapping


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a build's environment says."""
    variables = Variables(environ)
    commit = variables.commit("GIT_COMMIT")
    number = variables.pull("CHANGE_ID")
    is_change = bool(variables.text("CHANGE_ID"))
    # Set, to the fork's name, only where the change comes from one.
    is_fork = bool(variables.text("CHANGE_FORK")) if is_change else False
    branch = short_branch(variables.branch_ref("CHANGE_BRANCH")) if is_change and not is_fork else ""
    ref = f"refs/pull/{number}/head" if number else "" if is_change else _ref(variables)
    return Ci(
        provider="jenkins",
        event="change" if is_change else "",
        commit=commit,
        ref=ref,
        branch=branch if is_change else short_branch(ref),
        base_ref=variables.branch_ref("CHANGE_TARGET") if is_change else "",
        base_commit="" if is_change else variables.commit("GIT_PREVIOUS_SUCCESSFUL_COMMIT"),
        pull_request=number,
        is_fork_pull_request=is_fork,
        run_url=variables.url("BUILD_URL"),
        run_number=variables.number("BUILD_NUMBER"),
        warnings=tuple(variables.warnings),
    )


def _ref(variables: Variables) -> str:
    """Return a branch's or tag's ref; a plain job tells only ``remote/branch``, which is not taken apart."""
    if variables.text("TAG_NAME"):  # BRANCH_NAME holds the same name there
        return variables.branch_ref("TAG_NAME", "refs/tags/")
    if variables.text("BRANCH_NAME"):
        return variables.branch_ref("BRANCH_NAME")
    told = variables.text("GIT_BRANCH")
    seen = f" (GIT_BRANCH is {shown(told)}, where the remote's name ends is not told)" if told else ""
    variables.warnings.append(f"BRANCH_NAME is not set: no branch, and no trusted scope{seen}; use a multibranch job")
    return ""
