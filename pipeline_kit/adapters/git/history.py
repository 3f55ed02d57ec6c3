"""Questions about commits; GitPython asks the ones about ancestry, through our own runner.

What every run needs (HEAD, branch) is asked with plumbing: importing GitPython alone costs tens of milliseconds.
GitPython's commands go through :class:`~pipeline_kit.adapters.git.command.Git`, so they run in the verified top level
with the same hardened environment as everything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import CheckoutError
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.ports.checkout import Checkout

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import git as gitpython

    from pipeline_kit.adapters.git.command import Git
    from pipeline_kit.adapters.git.commit import CommitTree
    from pipeline_kit.adapters.git.repository import Repository

_BRANCHES = "refs/heads/"
_COMMITTER = late_pattern(rb"^committer .* ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)


class GitHistory(NamedTuple):
    """The commits of a verified repository; implements :class:`pipeline_kit.ports.History`."""

    repository: Repository
    allowed: AbstractSet[str] = frozenset()

    def checkout(self) -> Checkout:
        """Return the state of HEAD; ``commit`` is ``""`` before the first commit, ``branch`` when detached."""
        head = self.repository.git.ask(["symbolic-ref", "--quiet", "HEAD"])
        ref = head.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")
        return Checkout(
            commit=self.resolve("HEAD") or "",
            branch=ref.removeprefix(_BRANCHES) if ref.startswith(_BRANCHES) else "",
            is_shallow=self.repository.is_shallow,
        )

    def commit_tree(self, rev: str) -> CommitTree | None:
        """Return the tree of ``rev`` from git objects alone, or ``None`` if the commit is not here (shallow)."""
        commit = self.resolve(rev)
        if commit is None:
            return None
        from pipeline_kit.adapters.git.commit import CommitTree  # what only reads the work tree does without

        return CommitTree(self.repository, commit, self.allowed)

    def resolve(self, rev: str) -> str | None:
        """Return the full commit id of ``rev`` (any revision, or a ref), or ``None`` when it is not known here."""
        if not rev or "\0" in rev:
            return None
        arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"]
        answer = self.repository.git.ask(arguments)
        found = answer.stdout.decode("ascii", "replace").strip()
        # "^REV" passes --verify too, and is printed as "^ID".
        return found if answer.status == 0 and found.isalnum() else None

    def line(self, since: str, until: str) -> tuple[str, ...] | None:
        """Return the commits after ``since`` up to ``until`` by first parents, oldest first; ``None`` if unknown."""
        first, last = self.resolve(since), self.resolve(until)
        if first is None or last is None:
            return None
        answer = self.repository.git.run(["rev-list", "--first-parent", "--reverse", f"{first}..{last}"])
        return tuple(answer.decode("ascii").split())

    def commit_time(self, rev: str) -> int | None:
        """Return when ``rev`` was committed, in seconds since the epoch; ``None`` when it is not known here."""
        commit = self.resolve(rev)
        if commit is None:
            return None
        answer = self.repository.git.ask(["cat-file", "commit", commit])
        head = answer.stdout.partition(b"\n\n")[0]
        found = _COMMITTER.search(head)
        return int(found.group(1)) if answer.status == 0 and found else None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool | None:
        """Return whether ``ancestor`` is reachable from ``descendant``, a commit counting as its own ancestor.

        ``None`` when either commit is not here, or when the history is shallow and shows no path.
        """
        older, newer = self.resolve(ancestor), self.resolve(descendant)
        if older is None or newer is None:
            return None
        if self._is_reachable(older, newer):
            return True
        return None if self.repository.is_shallow else False

    def _is_reachable(self, older: str, newer: str) -> bool:
        """Ask through GitPython; both are full ids, so that nothing of the user's reaches its option handling."""
        import git as gitpython

        command = _command_class(self.repository.git)(str(self.repository.git.toplevel))
        try:
            command.merge_base(older, newer, is_ancestor=True)
        except gitpython.GitCommandError as error:
            reason = error.stderr.strip()
            if error.status == 1 and not reason:  # git-merge-base(1): "exit with status 1 if not"
                return False
            # Git before 2.44 also ends with 1 when a commit in between is missing.
            raise CheckoutError(f"cannot compare {older[:7]} with {newer[:7]}: {reason}") from error
        return True


def _command_class(runner: Git) -> type[gitpython.Git]:
    """Return GitPython's command wrapper with every command run by ``runner`` instead of by GitPython.

    Its ``Repo`` is not used: that reads ``GIT_*`` variables and the repository's configuration by itself.
    """
    import git as gitpython

    class HardenedCommand(gitpython.Git):
        """Runs nothing itself."""

        def execute(self, command: Any, *_: Any, **__: Any) -> Any:
            """Run ``command`` (its first word is GitPython's name for git) and return its output."""
            answer = runner.ask(list(command[1:]))
            if answer.status:
                raise gitpython.GitCommandError(command, answer.status, answer.stderr)
            return answer.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    return HardenedCommand
