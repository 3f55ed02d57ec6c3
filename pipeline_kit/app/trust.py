"""Whom a run can be trusted by, and where it stands among others: from the CI's environment alone (design D5, D12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.scopes import Scope, scope_of
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.adapters.ci import Ci
    from pipeline_kit.app.session import Session
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.config import Config
    from pipeline_kit.execute.records import Recorder
    from pipeline_kit.record import Stamp

TRUSTED_VARIABLE = "PIPELINE_KIT_TRUSTED"
"""Patterns of trusted refs, set where no branch can change them; they count instead of the configuration's."""


def scope_for(ci: Ci, config: Config, environ: Mapping[str, str]) -> Scope:
    """Return the run's scope. Raises InputError where :data:`TRUSTED_VARIABLE` holds something else than refs."""
    patterns = _patterns(environ) or config.trusted
    if patterns and ci.provider == "local":
        return Scope("local", "no CI says which ref this is")
    is_pull = ci.pull_request is not None or ci.ref.startswith("refs/pull/")
    return scope_of(ci.ref, patterns, is_fork=ci.is_fork_pull_request, is_pull=is_pull)


def _patterns(environ: Mapping[str, str]) -> Sequence[str]:
    found = environ.get(TRUSTED_VARIABLE, "").replace(",", " ").split()
    wrong = next((text for text in found if not text.startswith("refs/")), None)
    if wrong is not None:
        raise InputError(f"{TRUSTED_VARIABLE}: {wrong[:80]!r} is not a full ref", hint="as in refs/heads/main")
    return found


def recorder_for(session: Session, tagged: Tagged) -> Recorder:
    """Return what writes this run's build records; the session knows its commit by now."""
    from pipeline_kit import __version__
    from pipeline_kit.execute.records import Recorder, RunFacts

    inputs = {name: keyed.inputs for name, keyed in tagged.keyed.items() if keyed.inputs is not None}
    facts = RunFacts(stamp_of(session), session.around.scope, session.ci.run_url, __version__, session.around.now)
    is_required = session.project.config.verify in ("record", "deep")
    return Recorder(session.registry, facts, inputs, is_required=is_required)


def stamp_of(session: Session) -> Stamp:
    """Return where this run stands: its commit, when that was made, and the CI's own count of runs."""
    from pipeline_kit.record import Stamp

    ci, values, history = session.ci, session.around.values, session.project.history
    commit = values.get("sha", "")
    found = Stamp(commit, 0, ci.ref, ci.provider, ci.run_number, ci.run_attempt)
    if ci.provider == "local" and values.get("branch"):
        found = replace(found, ref=f"refs/heads/{values['branch']}")
    time = history.commit_time(commit) if history is not None and commit else None
    return replace(found, commit_time=time or 0)
