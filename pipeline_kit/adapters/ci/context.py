"""The run's surroundings as one value, the same for every CI system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Provider = Literal["github", "codebuild", "codepipeline", "gitlab", "jenkins", "buildkite", "circleci", "local"]
"""``codepipeline`` is CodeBuild started by CodePipeline, which tells it neither a branch nor a pull request."""

_COMMIT = late_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = late_pattern(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")


class Ci(NamedTuple):
    """What is known about the run. ``""`` (or ``None``) always means: the CI system did not say so."""

    provider: Provider
    event: str = ""
    """The trigger in the provider's own words: ``push``, ``pull_request``, ``merge_request_event``, ``webhook``, …"""
    commit: str = ""
    """Full id of the commit that was checked out (on GitHub pull requests the merge commit)."""
    head_commit: str = ""
    """Full id of a pull request's own last commit; ``""`` outside pull requests."""
    ref: str = ""
    """The full ref that decides trust: ``refs/heads/…``, ``refs/tags/…``, and ``refs/pull/N/…`` (whatever the provider
    calls pull requests) whenever the code may be a pull request's, even if the provider names the default branch
    (``pull_request_target``, ``issue_comment``)."""
    branch: str = ""
    """Short branch name: the pushed one, or a pull request's head. ``""`` for pull requests from a fork, because a fork
    may call its branch ``main``, and for pull requests whose origin is unknown."""
    base_ref: str = ""
    """The full ref a pull request goes to."""
    base_commit: str = ""
    """Full id of the commit to compare with: a pull request's base, or what the branch held before the push."""
    pull_request: int | None = None
    is_fork_pull_request: bool | None = False
    """``None`` when it is a pull request and the provider does not tell where it comes from."""
    can_write: bool | None = None
    """``False`` when the provider gives this kind of run no secrets and a read-only token; ``None`` when it depends."""
    run_url: str = ""
    run_number: int = 0
    """A number that grows with every run that is started (GitHub's run id, a build number); 0: not told."""
    run_attempt: int = 0
    output_file: Path | None = None
    """GitHub's file for step outputs."""
    summary_file: Path | None = None
    """GitHub's file for the step summary."""
    warnings: tuple[str, ...] = ()
    """Variables that are missing, malformed or in contradiction, one sentence each; values are shown as ``repr``."""


@value_class()
class Variables:
    """Environment variables read strictly; every refusal is noted in ``warnings``."""

    environ: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return the variable's value, or ``""``."""
        return self.environ.get(name, "")

    def commit(self, name: str, *, required: bool = False) -> str:
        """Return a full commit id; ``""`` where it is unset, all zeros (a new branch) or malformed."""
        value = self.text(name)
        if not value and required:
            self.warnings.append(f"{name} is not set: the commit is asked from git")
        return self.checked_commit(name, value)

    def checked_commit(self, source: str, value: object) -> str:
        """Return ``value`` if it is a full commit id other than zeros; anything else but emptiness is a warning."""
        if value is None or value == "" or (isinstance(value, str) and value.strip("0") == ""):
            return ""
        if isinstance(value, str) and _COMMIT.fullmatch(value):
            return value
        self.warnings.append(f"{source} is {shown(value)}: not a full commit id, ignored")
        return ""

    def number(self, name: str) -> int:
        """Return a positive number of at most twelve digits; 0 for anything else."""
        value = self.text(name)
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= _DIGITS else 0

    def ref(self, name: str) -> str:
        """Return a full ref (``refs/…``); ``""`` where it is unset or malformed."""
        value = self.text(name)
        if not value or is_ref(value):
            return value
        self.warnings.append(f"{name} is {shown(value)}: not a full ref, ignored")
        return ""

    def pull(self, name: str) -> int | None:
        """Return a pull request's number; ``None`` where it is unset, ``false`` or malformed (then with a warning)."""
        value = self.text(name)
        if value in ("", "false"):
            return None
        number = self.number(name)
        if not number:
            self.warnings.append(f"{name} is {shown(value)}: not a pull request's number")
        return number or None

    def branch_ref(self, name: str, prefix: str = "refs/heads/") -> str:
        """Return the full ref for a short branch (or tag) name; ``""`` where it is unset or not a legal name."""
        value = self.text(name)
        if not value:
            return ""
        ref = f"{prefix}{value}"
        if is_ref(ref) and not value.startswith("refs/"):
            return ref
        self.warnings.append(f"{name} is {shown(value)}: not a name of a branch or tag, ignored")
        return ""

    def one_ref(self, branch: str, tag: str) -> str:
        """Return the ref of the variable ``branch`` or ``tag``; ``""`` and a warning where both or neither are set."""
        of_branch, of_tag = self.branch_ref(branch), self.branch_ref(tag, "refs/tags/")
        if of_branch and of_tag:
            self.warnings.append(f"both {branch} and {tag} are set: no ref is assumed")
            return ""
        if not self.text(branch) and not self.text(tag):
            self.warnings.append(f"neither {branch} nor {tag} is set: no branch, and no trusted scope")
        return of_branch or of_tag

    def url(self, name: str) -> str:
        """Return an http or https address without credentials and odd characters; ``""`` for anything else."""
        value = self.text(name)
        if not value or (_URL.fullmatch(value) and len(value) <= _URL_LENGTH):
            return value
        self.warnings.append(f"{name} is not a web address, ignored")
        return ""


def is_ref(text: str) -> bool:
    """Return whether ``text`` is a full ref by the characters git allows (git-check-ref-format)."""
    return _REF.fullmatch(text) is not None and ".." not in text and not text.endswith(("/", ".lock"))


def short_branch(ref: str) -> str:
    """Return the branch name of ``refs/heads/NAME``, ``""`` for any other ref."""
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def shown(value: object) -> str:
    """Return ``value`` fit for a warning: ``repr``, at most 80 characters."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


_SHOWN = 80
_URL_LENGTH = 2000
_URL = late_pattern(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/?#-]*)?")
_DIGITS = 12
