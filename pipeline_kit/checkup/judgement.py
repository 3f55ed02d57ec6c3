"""From facts to findings.

What makes a tag untrustworthy is looked for in everything the tag is computed from, ignored or not, since ``tag`` and
``plan`` refuse it there; what would surprise in an image is looked for only in what is sent to the builder.
"""

from __future__ import annotations

import stat
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from pipeline_kit.checkup.findings import PATHS_AT_MOST, Finding, Severity, allow
from pipeline_kit.checkup.names import clashes, looks_secret, with_parents
from pipeline_kit.checkup.rules import RULES
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pipeline_kit.checkup.facts import CheckoutFacts, FileFacts, GitFacts, Sent

_FILE, _EXECUTABLE = 0o644, 0o755
_PERMISSIONS = 0o7777
_ORDER = {name: at for at, name in enumerate(RULES)}


@value_class()
class _Hit:
    """One rule that applies to one context of one image."""

    rule: str
    image: str
    directory: bytes
    paths: tuple[bytes, ...]


def judge(facts: CheckoutFacts, *, allowed: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return the findings, worst first; errors of rules named in ``allowed`` become warnings."""
    found = [
        Finding(rule, RULES[rule].severity, message, hint or RULES[rule].hint) for rule, message, hint in facts.troubles
    ]
    for item in facts.unread:
        rule = RULES["image-unread"]
        message = f"{rule.message}: {item.message}"
        found.append(Finding(rule.name, rule.severity, message, item.hint or rule.hint, (item.image,)))
    found += _grouped([*_read_hits(facts), *_sent_hits(facts)])
    severities = {severity: at for at, severity in enumerate(Severity)}
    judged = allow(found, allowed)
    return tuple(sorted(judged, key=lambda item: (severities[item.severity], _ORDER[item.rule], item.context)))


def _read_hits(facts: CheckoutFacts) -> Iterator[_Hit]:
    git = facts.git
    sets: list[tuple[str, Iterable[bytes]]] = [
        ("lfs-pointer", facts.files.pointers),
        ("unreadable", facts.files.unreadable),
    ]
    if git is not None:
        sets += [
            ("submodule-missing", git.absent_modules),
            ("sparse", git.sparse),
            ("skip-worktree", git.skip_worktree),
            ("assume-unchanged", git.assume_unchanged),
            ("unmerged", git.unmerged),
        ]
    for rule, concerned in sets:
        ordered = sorted(concerned)
        for read in facts.reads if ordered else ():
            paths = _below(ordered, read.directory)
            if paths:
                yield _Hit(rule, read.image, read.directory, paths)


def _below(ordered: list[bytes], directory: bytes) -> tuple[bytes, ...]:
    """Return which of the ``ordered`` paths are ``directory`` or lie below it; ``b""`` is the top."""
    if not directory:
        return tuple(ordered)
    low, high = bisect_left(ordered, directory + b"/"), bisect_left(ordered, directory + b"0")  # "0" follows "/"
    own = (directory,) if directory in ordered else ()
    return (*own, *ordered[low:high])


def _sent_hits(facts: CheckoutFacts) -> Iterator[_Hit]:
    known: dict[int, list[tuple[str, tuple[bytes, ...]]]] = {}
    for sent in facts.sent:
        place = id(sent.paths)  # images that share a context share the sequence, and so the judgement
        if place not in known:
            known[place] = [(rule, tuple(paths)) for rule, paths in _judge_sent(sent, facts.files, facts.git) if paths]
        for rule, paths in known[place]:
            yield _Hit(rule, sent.image, sent.directory, paths)
        if sent.has_git:
            yield _Hit("git-directory", sent.image, sent.directory, ((sent.directory + b"/.git").lstrip(b"/"),))


def _judge_sent(sent: Sent, files: FileFacts, git: GitFacts | None) -> Iterator[tuple[str, Iterable[bytes]]]:
    modes = files.modes
    leaves = [path for path in sent.paths if not stat.S_ISDIR(modes.get(path, 0))]
    yield "secret-in-image", [path for path in leaves if looks_secret(path)]
    yield "special-file", [path for path in leaves if _is_special(modes.get(path, stat.S_IFREG))]
    yield "mode-differs", _odd_modes(sent, files)
    cut = len(sent.directory) + 1 if sent.directory else 0
    by_case, by_form = clashes(path[cut:] for path in sent.paths)
    start = sent.directory + b"/" if sent.directory else b""
    yield "case-clash", [start + path for path in by_case]
    yield "unicode-clash", [start + path for path in by_form]
    if git is not None:
        yield from _judge_by_git(leaves, git)


def _judge_by_git(leaves: list[bytes], git: GitFacts) -> Iterator[tuple[str, Iterable[bytes]]]:
    modules = tuple(module + b"/" for module in git.modules)
    ignored_directories = tuple(path for path in git.ignored if path.endswith(b"/"))
    outside = [path for path in leaves if path not in git.tracked and not path.startswith(modules)]
    ignored = {path for path in outside if path in git.ignored or path.startswith(ignored_directories)}
    yield "ignored-in-image", [path for path in outside if path in ignored]
    yield "untracked-in-image", [path for path in outside if path not in ignored]
    converted = [path for path in leaves if path in git.conversions] if git.conversions else []
    yield "eol-conversion", [path for path in converted if git.conversions[path] == "eol"]
    yield "content-conversion", [path for path in converted if git.conversions[path] != "eol"]


def _is_special(mode: int) -> bool:
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))


def _odd_modes(sent: Sent, files: FileFacts) -> list[bytes]:
    """Return files and directories with other permissions than git gives; the context's own are not sent."""
    cut = len(sent.directory) + 1 if sent.directory else 0
    start = sent.directory + b"/" if sent.directory else b""
    odd: list[bytes] = []
    for below in with_parents(path[cut:] for path in sent.paths):
        mode = files.modes.get(start + below, stat.S_IFLNK)
        is_directory = stat.S_ISDIR(mode)
        usual = _EXECUTABLE if is_directory or mode & stat.S_IXUSR else _FILE
        if (is_directory or stat.S_ISREG(mode)) and mode & _PERMISSIONS != usual:
            odd.append(start + below + (b"/" if is_directory else b""))
    return sorted(odd)


def _grouped(hits: Iterable[_Hit]) -> Iterator[Finding]:
    """Yield one finding for every rule, context and set of paths, with the images that share it."""
    groups: dict[tuple[str, bytes, tuple[bytes, ...]], list[str]] = defaultdict(list)
    for hit in hits:
        groups[hit.rule, hit.directory, hit.paths].append(hit.image)
    for (name, directory, paths), images in groups.items():
        rule = RULES[name]
        yield Finding(
            rule=name,
            severity=rule.severity,
            message=rule.message,
            hint=rule.hint,
            images=tuple(dict.fromkeys(images)),
            context=directory.decode("utf-8", "surrogateescape") or ".",
            paths=paths[:PATHS_AT_MOST],
            count=len(paths),
        )
