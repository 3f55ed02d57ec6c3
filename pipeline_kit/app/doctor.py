"""``doctor``: look at the checkout from every side and judge it; a side that cannot be seen hides no other."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_kit.adapters.ci import detect
from pipeline_kit.adapters.filesystem import clean_path, shown
from pipeline_kit.adapters.inspection import InspectedTree
from pipeline_kit.app.imports import ImportedFiles
from pipeline_kit.app.project import PathProbe, Project, disk_reader, find_config, read_config_bytes
from pipeline_kit.app.session import Session
from pipeline_kit.app.sources import Reader
from pipeline_kit.app.surroundings import Surroundings
from pipeline_kit.app.tagging import choose, needed
from pipeline_kit.checkup import CheckoutFacts, FileFacts, GitFacts, Read, Sent, Unread, exit_code, judge
from pipeline_kit.config import DirectoryContext, load
from pipeline_kit.content_tag import EXTRA_INPUTS
from pipeline_kit.errors import CheckoutError, DubiousOwnership, GitUnavailable, PipelineKitError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.adapters.git.repository import Repository
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.checkup import Finding
    from pipeline_kit.snapshot import Listing


class Diagnosis(NamedTuple):
    """What doctor has to say: ``findings``, worst first, and the ``warnings`` of the configuration."""

    findings: tuple[Finding, ...]
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return the process's exit code: the highest of the findings that are errors, else 0."""
        return exit_code(self.findings)


@value_class(frozen=False)
class _Examination:
    """Facts on their way to being complete."""

    root: Path
    tree: InspectedTree
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    _paths: dict[tuple[bytes, int], list[bytes]] = field(default_factory=dict)
    _listings: list[Listing] = field(default_factory=list)

    def attempt(self, question: Callable[[], Any], otherwise: Any) -> Any:
        """Return the answer to one question to git; where it fails, that is a finding and the answer ``otherwise``."""
        try:
            return question()
        except CheckoutError as error:
            self.troubles.append(("git-failed", error.message, error.hint or ""))
            return otherwise

    def look_at(self, reader: Reader, name: str) -> None:
        """Read one image as the other commands do, and note what it is computed from and what is sent for it."""
        self.tree.asked = []
        try:
            sources = reader.read([name])[name]
        except PipelineKitError as error:
            self.unread.append(Unread(name, error.message, error.hint or ""))
            sources = None
            self.tree.listing(reader.directories([name]))
        self.reads += [Read(name, directory) for directory in self.tree.asked]
        if sources is not None:
            self._note_contexts(reader.prefix, sources)

    def _note_contexts(self, prefix: str, sources: ImageSources) -> None:
        from pipeline_kit.app.project import in_tree

        image = sources.image
        for context, listing in sources.files.items():
            if context == EXTRA_INPUTS:
                continue
            named = image.contexts.get(context)
            directory = in_tree(prefix, named.path if isinstance(named, DirectoryContext) else image.context)
            has_git = not context and sources.sends_git and self.tree.holds_git(directory)
            clean = clean_path(directory)
            self.sent.append(Sent(image.name, clean, self._from_top(clean, listing), has_git))

    def _from_top(self, directory: bytes, listing: Listing) -> list[bytes]:
        """Return a filtered context's paths from the top; the same list where images share the context."""
        place = (directory, id(listing))
        if place not in self._paths:
            self._listings.append(listing)  # kept alive, so that its id stays its own
            start = directory + b"/" if directory else b""
            self._paths[place] = [start + path for path in listing.paths]
        return self._paths[place]

    def ask_git(self, repository: Repository) -> GitFacts:
        """Return git's view of everything that was read so far."""
        from pipeline_kit.adapters.git.conditions import IndexState, find_conversions, find_ignored, read_index
        from pipeline_kit.adapters.git.submodules import absent_submodules

        asked = sorted({read.directory for read in self.reads})
        index = self.attempt(lambda: read_index(repository, asked), IndexState())
        base = repository.base + repository.prefix
        absent = self.attempt(lambda: absent_submodules(repository.git, base, index.modules, asked), [])
        missing = {path for path in index.skip_worktree if not self.tree.exists(path)}
        return GitFacts(
            tracked=index.records.keys() | index.unmerged,
            ignored=self.attempt(lambda: find_ignored(repository, asked), frozenset()),
            modules=index.modules,
            absent_modules=frozenset(absent),
            unmerged=index.unmerged,
            sparse=missing,
            skip_worktree=index.skip_worktree - missing,
            assume_unchanged=index.assume_unchanged,
            conversions=self.attempt(lambda: find_conversions(repository, asked, index), {}),
        )

    def facts(self, git: GitFacts | None) -> CheckoutFacts:
        """Return everything seen."""
        files = FileFacts(self.tree.modes, self.tree.unreadable, self.tree.pointers)
        return CheckoutFacts(self.reads, self.sent, self.unread, files, git, self.troubles)


def examine(
    directory: Path,
    named: str | None,
    environ: Mapping[str, str],
    images: Sequence[str] = (),
    *,
    allowed: Collection[str] = (),
) -> Diagnosis:
    """Return what is wrong with the checkout around the configuration, for ``images`` and what they build upon.

    Rules named in ``allowed`` are no errors. Raises ConfigError or InputError only: all else is a finding.
    """
    from pipeline_kit.adapters.git.history import GitHistory
    from pipeline_kit.adapters.git.repository import find_toplevel

    path = find_config(directory, named)
    home = Path(os.path.realpath(path.parent))
    toplevel = find_toplevel(home)
    root = toplevel or home
    told = os.path.relpath(path, directory) if named is None else named
    imported = ImportedFiles(disk_reader(home), environ)
    config = load(read_config_bytes(path), told, environ=environ, exists=PathProbe(home, root), source=imported)
    seen = _Examination(root, InspectedTree(root))
    repository = _open_repository(toplevel, seen)
    history = GitHistory(repository) if repository is not None else None
    project = Project(config, path, root, home.relative_to(root).as_posix(), seen.tree, history)
    reader = Reader(config, project.prefix, seen.tree, _placeholder_values(project, environ, seen))
    for name in needed(project, choose(project, images)):
        seen.look_at(reader, name)
    git = seen.ask_git(repository) if repository is not None else None
    return Diagnosis(judge(seen.facts(git), allowed=allowed), tuple(map(str, config.warnings)))


def _open_repository(toplevel: Path | None, seen: _Examination) -> Repository | None:
    """Return the verified repository; where there is none to be had, note why."""
    from pipeline_kit.adapters.git.repository import verify

    if toplevel is None:
        seen.troubles.append(("no-git", "no .git at or above the configuration: every file is read", ""))
        return None
    try:
        repository = verify(toplevel, seen.root)
    except DubiousOwnership as error:
        seen.troubles.append(("dubious-ownership", error.message, error.hint or ""))
    except GitUnavailable as error:
        rule = "git-too-old" if _runs(toplevel) else "git-missing"
        seen.troubles.append((rule, error.message, error.hint or ""))
    except CheckoutError as error:
        seen.troubles.append(("git-failed", error.message, error.hint or ""))
    else:
        if repository.is_shallow:
            seen.troubles.append(("shallow-clone", "shallow clone: tags are the same, reasons may lack a commit", ""))
        return repository
    return None


def _runs(toplevel: Path) -> bool:
    """Return whether there is a git that answers at all."""
    from pipeline_kit.adapters.git.command import Git

    try:
        Git(toplevel).version()
    except GitUnavailable:
        return False
    return True


def _placeholder_values(project: Project, environ: Mapping[str, str], seen: _Examination) -> Mapping[str, str]:
    session = Session(project, detect(environ), Surroundings({}, environ, time.time()), environ)
    seen.attempt(session.know_commit, None)
    return session.around.values


def finding_document(finding: Finding) -> dict[str, Any]:
    """Return one element of ``doctor --json``'s ``findings``; names are printable whatever bytes they hold."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "images": list(finding.images),
        "context": shown(os.fsencode(finding.context)),
        "paths": [shown(path) for path in finding.paths],
        "count": finding.count,
        "part": finding.part,
        "subject": shown(finding.subject.encode("utf-8", "surrogateescape")),
        "evidence": shown(finding.evidence.encode("utf-8", "surrogateescape")),
    }


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return ``doctor --json``."""
    return {"findings": [finding_document(item) for item in diagnosis.findings], "exit_code": diagnosis.exit_code}
