"""Every branch, tag and pull request that this repository knows, with its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import CheckoutError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pipeline_kit.adapters.git.history import GitHistory

_PLACES = ("refs/heads", "refs/remotes", "refs/tags", "refs/pull", "refs/merge-requests")
_HINT = (
    "fetch them all (git fetch --unshallow --tags; in GitHub Actions: fetch-depth: 0), or write keep_branches: false"
)
_FORMAT = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)%00%(symref)"


class Head(NamedTuple):
    """A ref's full name and the commit it stands at."""

    ref: str
    commit: str

    @property
    def name(self) -> str:
        """Return the branch's or tag's own name, without the remote's."""
        for place in ("refs/heads/", "refs/tags/"):
            if self.ref.startswith(place):
                return self.ref.removeprefix(place)
        if self.ref.startswith("refs/remotes/"):
            return self.ref.removeprefix("refs/remotes/").partition("/")[2]
        return self.ref.removeprefix("refs/")


def heads(history: GitHistory) -> tuple[Head, ...]:
    """Return all refs that stand at commits. Raises CheckoutError where some that the remote has may not be here."""
    git = history.repository.git
    if history.repository.is_shallow:
        raise CheckoutError("this clone is shallow: its branches and tags are not all here", hint=_HINT)
    asked = git.ask(["config", "--get-regexp", r"^remote\..*\.fetch$"])
    lines = [line.partition(" ")[2] for line in asked.stdout.decode("utf-8", "replace").splitlines()]
    if lines and not any(line.lstrip("+").startswith(("refs/heads/*:", "refs/*:")) for line in lines):
        raise CheckoutError("this clone follows single branches: the others are not here", hint=_HINT)
    found: list[Head] = []
    answer = git.run(["for-each-ref", f"--format={_FORMAT}", *_PLACES])
    for line in answer.decode("utf-8", "surrogateescape").splitlines():
        ref, kind, name, peeled_kind, peeled, link = line.split("\0")
        if link:  # refs/remotes/origin/HEAD stands where another ref does
            continue
        if kind == "commit":
            found.append(Head(ref, name))
        elif peeled_kind == "commit":
            found.append(Head(ref, peeled))
    return tuple(found)
