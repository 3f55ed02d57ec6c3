"""Content tags of real repositories: ``python benchmarks/real_repositories.py GIT_DIR[@REF] … [--commits 200]``.

For every Dockerfile at HEAD: is it read, and what of its context counts? Then the last commits of the first-parent
line, one after another: how many builds would each rule have made, when a tag that exists is not built again?

- *commit*: the id of every commit, as ``docker build -t IMAGE:$GITHUB_SHA`` has it;
- *path*: ``git log -1 --format=%H -- CONTEXT``;
- *whole*: the content of the whole context, its ignore file applied;
- *narrowed*: the content tag of this project.

No registry is asked: the text of a base stands for its digest, and no base is taken to hold ONBUILD triggers. An
argument without default gets a constant value. Contexts are guessed (see ``guessed_builds.py``).
"""

from __future__ import annotations

import argparse
import posixpath
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guessed_builds import Build, guess_builds
from replayed_commits import RULES, Commit, Keys, Replay, SharedTree, keys_of, reader_of

from pipeline_kit.adapters.git.history import GitHistory
from pipeline_kit.adapters.git.repository import verify
from pipeline_kit.dockerfile import parse
from pipeline_kit.errors import DockerfileError, PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = list[str | int]
_ALL_RULES = ("commit", *RULES)
_GIVEN = "given-by-the-measurement"
_FIELDS = 3


@dataclass(slots=True)
class Survey:
    """What became of every Dockerfile of one repository at HEAD."""

    builds: list[Build] = field(default_factory=list)
    """Those that have a key."""
    templates: int = 0
    """Files that are refused and hold ``{{``: named like Dockerfiles, and no Dockerfiles."""
    refused: list[str] = field(default_factory=list)
    """Files that the parser refuses, and why."""
    failed: list[str] = field(default_factory=list)
    """Files that are read and have no key, and why."""
    given: int = 0
    """Files that needed an argument."""
    narrowed: int = 0
    reads_all: int = 0
    fallbacks: list[str] = field(default_factory=list)
    """Files of which it is not understood what they read, and why."""

    def row(self, name: str) -> Row:
        """Return the table's row, its share aside."""
        groups = (self.refused, self.failed, self.fallbacks)
        refused, failed, fallbacks = map(len, groups)
        return [name, len(self.builds) + refused + failed, refused, failed, self.narrowed, self.reads_all, fallbacks]


def main() -> None:
    """Print what each repository gives, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", metavar="GIT_DIR[@REF]")
    parser.add_argument("--commits", type=int, default=200)
    arguments = parser.parse_args()
    shares: list[Row] = []
    hits: list[Row] = []
    for text in arguments.repositories:
        directory, _, ref = text.partition("@")
        share, hit = _measure(Path(directory).resolve(), ref or "HEAD", arguments.commits)
        shares.append(share)
        hits.append(hit)
    print()
    _table(
        ["repository", "Dockerfiles", "refused", "no key", "narrowed", "read all", "fall back", "narrowed"],
        [[*row, _percent(row[4], row[1])] for row in _with_total(shares)],
    )
    print()
    _table(
        ["repository", "commits", "pairs", *(f"builds by {rule}" for rule in _ALL_RULES)]
        + [f"hits by {rule}" for rule in RULES],
        [[*row, *(_percent(int(row[2]) - int(made), row[2]) for made in row[4:])] for row in _with_total(hits)],
    )


def _with_total(rows: Sequence[Row]) -> list[Row]:
    numbers = zip(*(row[1:] for row in rows), strict=True)
    return [*rows, ["all", *(sum(map(int, column)) for column in numbers)]]


def _percent(part: int | str, whole: int | str) -> str:
    return f"{100 * int(part) / int(whole):.1f} %" if int(whole) else "-"


def _table(head: Sequence[str], rows: Sequence[Row]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, row)) + " |")


def _measure(git_dir: Path, ref: str, count: int) -> tuple[Row, Row]:
    name = (git_dir.parent if git_dir.name == "repo" else git_dir).name.replace("+", "/")
    print(f"== {name} {ref}")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve() / "clone"
        # The objects stay where they are; a clone is needed since hardened git refuses bare repositories.
        command = ["git", "clone", "--quiet", "--shared", "--no-checkout", *_branch(ref), str(git_dir), str(place)]
        subprocess.run(command, check=True)
        history = GitHistory(verify(place, place), allowed={"lfs-pointer"})
        commits = _commits(history, count)
        survey = _survey(history, commits[-1])
        _print(survey)
        replay = Replay(history, survey.builds)
        before = time.perf_counter()
        replay.run(commits)
        print(f"from {commits[0].date} to {commits[-1].date}")
        print(f"{len(commits) - 1} commits replayed in {time.perf_counter() - before:.1f} s")
        for why, times in replay.failed.most_common():
            print(f"  no key at {times} pairs: {why}")
    return survey.row(name), _hits(name, commits, replay)


def _branch(ref: str) -> list[str]:
    return [] if ref == "HEAD" else ["--branch", ref]


def _commits(history: GitHistory, count: int) -> list[Commit]:
    """Return the last ``count`` commits and the one before them, oldest first."""
    words = ["log", "--first-parent", f"-{count + 1}", "--format=%H %cs %P", "HEAD"]
    rows = [line.split() for line in history.repository.git.run(words).decode("ascii").splitlines()]
    return [Commit(row[0], row[1], is_merge=len(row) > _FIELDS) for row in reversed(rows)]


def _survey(history: GitHistory, commit: Commit) -> Survey:
    tree = history.commit_tree(commit.id)
    if tree is None:
        raise SystemExit(f"{commit.id} is not here")
    shared = SharedTree(tree, {})
    names = history.repository.git.run(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.id])
    paths = names.decode("utf-8", "surrogateescape").split("\0")[:-1]
    survey = Survey()
    for build in guess_builds(paths, shared.read):
        data = shared.read(build.dockerfile) or b""
        try:
            parse(data, build.dockerfile)
        except DockerfileError as error:
            if b"{{" in data:
                survey.templates += 1
            else:
                survey.refused.append(error.message)
            continue
        _classify(survey, build, shared)
    return survey


def _classify(survey: Survey, build: Build, tree: SharedTree) -> None:
    given = _with_arguments(build, tree)
    survey.given += given != build
    try:
        found, keys = _best_context(given, tree)
    except PipelineKitError as error:
        survey.failed.append(error.message)
        return
    survey.builds.append(found)
    reads = keys.sources.uses.reads
    if not keys.because:
        survey.narrowed += 1
    elif reads is not None and any(read.pattern == "." for read in reads):
        survey.reads_all += 1
    else:
        survey.fallbacks.append(f"{build.dockerfile}: {keys.because}")


def _with_arguments(build: Build, tree: SharedTree) -> Build:
    """Return ``build`` with a constant for each global argument without value, if that is what it lacks."""
    try:
        keys_of(reader_of([build], tree), build.dockerfile)
    except PipelineKitError:
        dockerfile = parse(tree.read(build.dockerfile) or b"", build.dockerfile)
        open_names = {name for arg in dockerfile.meta_args for name, default in arg.pairs if not default}
        return replace(build, args={**dict.fromkeys(sorted(open_names), _GIVEN), **build.args})
    return build


def _best_context(build: Build, tree: SharedTree) -> tuple[Build, Keys]:
    """Return the build in the nearest directory, from its own upwards, that misses the fewest of its sources.

    Raises PipelineKitError where its own directory gives no key; a directory above that gives none ends the search.
    """
    found, keys = build, keys_of(reader_of([build], tree), build.dockerfile)
    fewest = _missing(keys)
    candidate = build
    while fewest and candidate.context != ".":
        candidate = replace(candidate, context=posixpath.dirname(candidate.context) or ".")
        try:
            other = keys_of(reader_of([candidate], tree), build.dockerfile)
        except PipelineKitError:
            break
        if (missing := _missing(other)) < fewest:
            fewest, found, keys = missing, candidate, other
    return found, keys


def _missing(keys: Keys) -> int:
    listing = keys.sources.files[""]
    plain = [read.pattern for read in keys.sources.uses.reads or () if read.context is None and not read.is_glob]
    return sum(
        not listing.spans(pattern.encode("utf-8", "surrogateescape")) for pattern in set(plain) if pattern != "."
    )


def _print(survey: Survey) -> None:
    print(f"{survey.templates} templates left out")
    print(f"{survey.given} Dockerfiles were given a constant for arguments without default")
    for title, lines in (
        ("refused", survey.refused),
        ("no key", survey.failed),
        ("falls back", survey.fallbacks),
    ):
        for line in lines:
            print(f"  {title}: {line}")
    for build in survey.builds:
        if build.context != (posixpath.dirname(build.dockerfile) or "."):
            print(f"  context of {build.dockerfile}: {build.context}")


def _hits(name: str, commits: list[Commit], replay: Replay) -> Row:
    builds = [len(replay.made[rule]) - replay.at_start.get(rule, 0) for rule in RULES]
    return [name, len(commits) - 1, replay.pairs, replay.pairs, *builds]


if __name__ == "__main__":
    main()
