"""Keys of images at many commits of one repository, by three rules, each set of inputs read once."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline_kit import content_tag
from pipeline_kit.app.keys import Bases, key_images, references_of
from pipeline_kit.app.sources import Reader
from pipeline_kit.config import Config, ImageConfig, Location
from pipeline_kit.errors import CheckoutError, PipelineKitError
from pipeline_kit.snapshot import LINK, Listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guessed_builds import Build

    from pipeline_kit.adapters.git.commit import CommitTree
    from pipeline_kit.adapters.git.history import GitHistory
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.ports.checkout import Unsent

RULES = ("path", "whole", "narrowed")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the first-parent line: its id, its date, and whether it has several parents."""

    id: str
    date: str
    is_merge: bool


@dataclass(slots=True)
class SharedTree:
    """One commit's tree that lists everything once; ``blobs`` is shared by the trees of all commits."""

    tree: CommitTree
    blobs: dict[bytes, bytes | None]
    _whole: Listing | None = None
    _has_submodules: bool = False

    def listing(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing:
        """Return the whole tree, or only ``directories`` where a submodule elsewhere forbids that."""
        whole = self._all()
        return self.tree.listing(directories, unsent=unsent) if whole is None else whole

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or ``None``."""
        record = self._record(path)
        if record is None or record.startswith(LINK):
            return None if record is None and self._whole is not None else self.tree.read(path)
        if record not in self.blobs:
            self.blobs[record] = self.tree.read(path)
        return self.blobs[record]

    def look(self, path: str) -> bytes | str | None:
        """Return a link's text, else a file's bytes, or ``None``."""
        record = self._record(path)
        is_link = self._whole is None or (record is not None and record.startswith(LINK))
        return self.tree.look(path) if is_link else self.read(path)

    def _record(self, path: str) -> bytes | None:
        whole = self._all()
        return None if whole is None else whole.get(path.encode("utf-8", "surrogateescape"))

    def _all(self) -> Listing | None:
        if self._whole is None and not self._has_submodules:
            try:
                self._whole = self.tree.listing(["."])
            except CheckoutError:
                self._has_submodules = True
        return self._whole

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> None:
        """Return ``None``: a listing is at hand."""

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> None:
        """Return ``None``: only comparing the listings can tell."""

    def describe(self) -> str:
        """Return what this is, for people."""
        return self.tree.describe()


@dataclass(frozen=True, slots=True)
class Keys:
    """One image at one commit: its sources, its keys, and why everything in its context counts (``""``: not so)."""

    sources: ImageSources
    whole: str
    narrowed: str
    because: str


def image_of(build: Build) -> ImageConfig:
    """Return a build as an image."""
    return ImageConfig(
        name=build.dockerfile,
        repository="measured",
        context=build.context,
        dockerfile=build.dockerfile,
        location=Location("", 0, 0),
        target=build.target,
        args={name: value.replace("{", "{{").replace("}", "}}") for name, value in build.args.items()},
    )


def reader_of(builds: Sequence[Build], tree: SharedTree) -> Reader:
    """Return the product's own reader of ``builds`` in ``tree``; it filters a context that builds share once."""
    return Reader(Config("", "", "", {build.dockerfile: image_of(build) for build in builds}), ".", tree, {})


def keys_of(reader: Reader, name: str) -> Keys:
    """Return the keys of one image by the product's own code.

    Bases are taken to hold no ONBUILD triggers, and their text stands for their digest: no registry is asked.
    Raises PipelineKitError.
    """
    sources = reader.read([name])
    texts = references_of(sources[name])
    keyed = key_images(sources, Bases({text: text for text in texts}, frozenset(texts)), prefix="", now=0)[name]
    if keyed.inputs is None or keyed.key is None:
        raise PipelineKitError(f"no digest for {', '.join(keyed.unknown_bases)}")
    whole = content_tag.key(replace(keyed.inputs, files=sources[name].files))
    return Keys(sources[name], whole, keyed.key, keyed.because)


@dataclass(slots=True)
class Replay:
    """Goes through commits, oldest first, and remembers every tag that was made."""

    history: GitHistory
    builds: Sequence[Build]
    blobs: dict[bytes, bytes | None] = field(default_factory=dict)
    made: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: {rule: set() for rule in RULES})
    """Tags by rule, as ``(image, tag)``."""
    pairs: int = 0
    """How often an image stood in a commit, the first commit aside."""
    failed: Counter[str] = field(default_factory=Counter)
    """Pairs without a key, by why: an older Dockerfile that cannot be built, or needs an argument."""
    at_start: dict[str, int] = field(default_factory=dict)
    """Tags that existed at the first commit, by rule."""
    _content: dict[tuple[str, ...], tuple[str, str] | str] = field(default_factory=dict)
    _touched: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _last: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)

    def run(self, commits: Sequence[Commit]) -> None:
        """Replay ``commits``; the first one only fills the registry."""
        for commit, states in zip(commits, self._states(commits), strict=True):
            tree = self._tree(commit)
            reader = reader_of(self.builds, tree)
            for build, state in zip(self.builds, states, strict=True):
                if not all(state[:2]):
                    self._last.pop(build.dockerfile, None)
                    continue
                if state not in self._content:
                    self._content[state] = _keys(build, reader, tree)
                self._count(commit, build, state)
            if not self.at_start:
                self.at_start = {rule: len(tags) for rule, tags in self.made.items()}
                self.pairs = 0
                self.failed.clear()

    def _count(self, commit: Commit, build: Build, state: tuple[str, ...]) -> None:
        keys, touching = self._content[state], self._touching(commit, build, state)
        if isinstance(keys, str):
            self.failed[keys] += 1
            return
        self.pairs += 1
        for rule, tag in zip(RULES, (touching, *keys), strict=True):
            self.made[rule].add((build.dockerfile, tag))

    def _states(self, commits: Sequence[Commit]) -> list[list[tuple[str, ...]]]:
        """Return for each commit and build the object ids of context, Dockerfile and its ignore file."""
        if not self.builds:
            return [[] for _ in commits]
        asked = [path for build in self.builds for path in _paths(build)]
        lines = "".join(f"{commit.id}:{path}\n" for commit in commits for path in asked)
        answer = self.history.repository.git.run(["cat-file", "--batch-check=%(objectname)"], lines.encode())
        ids = ["" if b" " in line else line.decode() for line in answer.splitlines()]
        rows = [ids[start : start + len(asked)] for start in range(0, len(ids), len(asked))]
        return [[(*row[3 * at : 3 * at + 3], build.dockerfile) for at, build in enumerate(self.builds)] for row in rows]

    def _tree(self, commit: Commit) -> SharedTree:
        tree = self.history.commit_tree(commit.id)
        if tree is None:
            raise CheckoutError(f"{commit.id} is not here")
        return SharedTree(tree, self.blobs)

    def _touching(self, commit: Commit, build: Build, state: tuple[str, ...]) -> str:
        """Return what ``git log -1 --format=%H COMMIT -- CONTEXT DOCKERFILE`` prints.

        Where nothing changed against the first parent, git follows that one, so the answer is the one before; where a
        commit with one parent changed something, it is the answer.
        """
        last = self._last.get(build.dockerfile)
        if last is None or (last[0] != state and commit.is_merge):
            found = self._ask(commit.id, build)
        else:
            found = last[1] if last[0] == state else commit.id
        self._last[build.dockerfile] = state, found
        return found

    def _ask(self, commit: str, build: Build) -> str:
        place = commit, build.context, "" if _is_inside(build) else build.dockerfile
        if place not in self._touched:
            paths = [path for path in place[1:] if path]
            words = ["log", "-1", "--format=%H", commit, "--", *paths]
            self._touched[place] = self.history.repository.git.run(words).decode().strip()
        return self._touched[place]


def _keys(build: Build, reader: Reader, tree: SharedTree) -> tuple[str, str] | str:
    """Return the keys over the whole and the narrowed context, or why there are none.

    A target that HEAD has and the commit does not is left out: the last stage was built then.
    """
    try:
        keys = keys_of(reader, build.dockerfile)
    except PipelineKitError as error:
        untargeted = replace(build, target=None)
        return _keys(untargeted, reader_of([untargeted], tree), tree) if build.target else error.message
    return keys.whole, keys.narrowed


def _paths(build: Build) -> tuple[str, str, str]:
    context = "" if build.context == "." else build.context
    return context, build.dockerfile, f"{build.dockerfile}.dockerignore"


def _is_inside(build: Build) -> bool:
    return build.context == "." or posixpath.commonpath([build.context, build.dockerfile]) == build.context
