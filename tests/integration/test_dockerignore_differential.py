"""IgnoreRules.filter against what a real BuildKit sends, for many ignore files in one bake."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.dockerignore import IgnoreRules, ignore_file_candidates
from pipeline_kit.errors import DockerignoreError
from pipeline_kit.snapshot import DIRECTORY, EMPTY_DIRECTORY_RECORD, FILE, LINK, Listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.engine

DOCKERFILE = b"FROM scratch\nCOPY . /\n"

LINKS = {"link": "foo", "dirlink": "a", "bar/link": "../x.txt", "dangling": "nowhere"}
# A trailing slash makes an empty directory.
TREE = """
foo foo.txt x.txt FOO Foo.TXT .env .git/config .git/objects/ab/cd
a/b a/k a/x.txt a/b.d/x.txt a/b.d/y.md a/b.d/deep/x.txt a/b.d/deep/z a/foo/in a/empty/
d/e/keep d/e/drop d/e/more/keep d/f/keep d/top d/foo
bar/foo/k bar/foo.txt bar/sub/foo bar/sub/deeper/foo/leaf
brack br[a]ck br-ck brXck cat cbt cct c^t c]t c-t c.t c+t
#hash !bang -dash &amp 100% (p) {q} a+b a$b a|b b1 b2 bz
node_modules/m/index.js node_modules/m/package.json src/node_modules/n/index.js src/main.py src/test_main.py
src/__pycache__/main.pyc docs/README.md docs/api/README.md docs/api/index.html README.md
void/ hollow/inner/ hollow/other/leaf logs/a.log logs/b.log logs/keep/important.log
"""
NAMES = [*TREE.split(), *LINKS]
ODD_NAMES = (
    "with blank",
    "  lead",
    "trail ",
    "d ir/in side",
    "ünïcode",
    "日本/語.txt",
    "tab\there",
    "new\nline/x.txt",
    "back\\slash",
    "st*r",
    "que?ry",
    "é",
    "e\u0301",
    "\ufeffmark",
    "nbsp\xa0",
)


@dataclass(frozen=True)
class Case:
    """An ignore file for the common tree, and further files that steer or extend the case."""

    ignore: bytes | None
    files: Mapping[str, bytes] = field(default_factory=dict)
    dockerfile: str = "Dockerfile"
    rules: bytes | None = None  # what must be in force where it is not ``ignore``


def lines(*patterns: str) -> bytes:
    """Return an ignore file of these lines."""
    return "\n".join([*patterns, ""]).encode()


# fmt: off
PATTERNS: dict[str, bytes] = {
    # rows of the corpus of traps: what others get wrong
    "case-sensitive": lines("FOO"),
    "case-sensitive-glob": lines("*.TXT"),
    "exception-any-depth": lines("a", "!a/**/x.txt"),
    "everything-but-txt": lines("**/*", "!**/*.txt"),
    "negated-class": lines("[^a]"),
    "negated-class-glob": lines("[^a]*"),
    "bom": b"\xef\xbb\xbffoo\n",
    "bom-comment": b"\xef\xbb\xbf#hash\nfoo\n",
    "bom-twice": b"\xef\xbb\xbf\xef\xbb\xbfmark\n",
    "bom-twice-glob": b"\xef\xbb\xbf\xef\xbb\xbffo*\n",
    "bom-second-line": b"x.txt\n\xef\xbb\xbfmark\n",
    "escaped-hash": lines("\\#hash"),
    "escaped-bang": lines("\\!bang"),
    "blank-hash": lines(" #hash"),
    "escaped-bracket": lines("br\\[a\\]ck"),
    "class-not-name": lines("br[a]ck"),
    # anchoring and cleaning
    "plain": lines("foo"),
    "leading-slash": lines("/foo"),
    "trailing-slash": lines("foo/"),
    "dot-slash": lines("./foo"),
    "double-slash": lines("//foo", "bar//foo"),
    "any-depth": lines("**/foo"),
    "root-glob": lines("*.txt"),
    "depth-two": lines("*/foo"),
    "depth-three": lines("*/*/foo"),
    "dotdot-inside": lines("foo/../x.txt"),
    "dotdot-deep": lines("a/b.d/../../x.txt"),
    "dotdot": lines(".."),
    "dot": lines("."),
    "slash": lines("/"),
    "above": lines("../foo", "../../x.txt", "/../x.txt"),
    "blank-lines": lines("", "  ", "\t", "foo", ""),
    "padded": lines("  foo  ", "\tx.txt\t"),
    "unicode-blanks": lines("\xa0foo\u2003", "\u3000x.txt"),
    "not-a-blank": lines("foo\u200b"),
    "control-character": lines("tab\there", "\x1cfoo", "é"),
    "crlf": b"foo\r\nx.txt\r\n#a\r\n!foo\r\n",
    "no-final-newline": b"x.txt\nfoo",
    "only-comments": lines("# nothing", "#foo"),
    "empty-file": b"",
    "duplicate": lines("foo", "foo"),
    # order and exceptions
    "last-wins": lines("!foo", "foo"),
    "last-wins-back": lines("foo", "!foo", "foo", "!foo"),
    "exception-deep": lines("d", "!d/e/keep"),
    "exception-keeps-parent": lines("*", "!a/b"),
    "exception-then-exclude": lines("*", "!d", "d/e", "!d/e/keep"),
    "exception-nested": lines("d", "!d/e", "d/e/more", "!d/e/more/keep"),
    "exception-directory": lines("*", "!src"),
    "exception-glob-child": lines("a", "!a/*"),
    "exception-stars-child": lines("a", "!a/**"),
    "exception-trimmed-globs": lines("a", "!a/*/**"),
    "exception-glob-not-trimmed": lines("a", "!a/**/*"),
    "exception-root-glob": lines("**", "!*.md"),
    "exception-root-star": lines("**", "!*"),
    "exception-any-md": lines("**", "!**/*.md"),
    "exception-class": lines("*", "!b[ar]*"),
    "exception-missing": lines("*", "!nothing/here"),
    "exception-with-blank": lines("*", "! foo", "!\tx.txt"),
    "exception-slash": lines("*", "!/src/main.py"),
    "exception-dot": lines("*", "!.", "!.."),
    "exception-cleaned-away": lines("*", "!foo/.."),
    "double-bang": lines("*", "!!bang"),
    "double-bang-alone": lines("!!bang"),
    "exception-only": lines("!foo"),
    "exception-parent-first": lines("!d/e/keep", "d"),
    "allow-list": lines("*", "!Dockerfile", "!src/**", "**/__pycache__", "**/*.pyc"),
    "allow-then-narrow": lines("*", "!docs", "docs/**", "!docs/api/README.md"),
    "sibling-prefix": lines("d", "!d/e/k"),
    "prefix-of-directory": lines("bar", "!ba"),
    "mixed-exceptions": lines("d", "bar", "!d/e/keep", "!**/foo.txt"),
    "exception-stars-middle": lines("bar", "!bar/**/foo"),
    "exception-unless-asked": lines("*", "!d/e", "**/keep", "!d/e/more"),
    "exclusion-after-exception-in-depth": lines("**/*.txt", "!a/b.d", "a/b.d/deep"),
    # stars
    "star": lines("*"),
    "star-star": lines("**"),
    "three-stars": lines("***"),
    "four-stars": lines("****"),
    "star-slash-star": lines("*/*"),
    "star-star-star": lines("**/**"),
    "star-star-slash-star": lines("**/*"),
    "star-slash-star-star": lines("*/**"),
    "children": lines("a/**"),
    "children-direct": lines("a/*"),
    "children-any-depth": lines("**/foo/**"),
    "children-at-depth": lines("a/*/x.txt"),
    "middle": lines("a/**/x.txt"),
    "middle-twice": lines("bar/**/deeper/**/leaf"),
    "suffix-glued": lines("**foo"),
    "suffix-glued-ext": lines("**.txt"),
    "prefix-glued": lines("fo**"),
    "prefix-glued-dir": lines("a/b**"),
    "glued-both": lines("**o**"),
    "middle-glued": lines("a/**x.txt", "d**keep"),
    "star-inside": lines("f*o", "x*t"),
    "stars-many": lines("*o*o*", "*c*t*"),
    "suffix-dir": lines("**/node_modules"),
    "suffix-path": lines("**/api/README.md"),
    "suffix-ext": lines("**/*.log", "!**/important.log"),
    "empty-left": lines("a/empty/*", "logs/*", "hollow/**"),
    "empty-left-exception": lines("hollow", "!hollow/inner", "void"),
    "empty-excluded": lines("void", "a/empty", "hollow/inner"),
    "directory-kept-file-gone": lines("**/leaf"),
    "git": lines(".git", ".env", "**/.gitignore"),
    # one character, classes, escapes
    "question": lines("c?t", "b?"),
    "question-unicode": lines("?", "?n?code"),
    "question-slash": lines("a?k", "d?top"),
    "class": lines("c[ab]t"),
    "class-range": lines("b[0-9]", "c[a-b]t"),
    "class-negated": lines("c[^ab]t"),
    "class-negated-slash": lines("a[^x]k", "d[^z]top"),
    "class-caret": lines("c[a^]t"),
    "class-escaped": lines("c[\\]\\^]t"),
    "class-escaped-dash": lines("c[a\\-c]t"),
    "class-ranges": lines("c[a-c]t", "c[+-.]t"),
    "class-bang": lines("c[!a]t"),
    "class-dot": lines("c[.]t"),
    "class-star": lines("c[*]t", "br[a*]ck"),
    "class-question": lines("c[?]t"),
    "class-two-stars": lines("c[**]t", "[^**]oo"),
    "class-opening": lines("br[[]a]ck"),
    "class-posix": lines("c[[:alpha:]]t"),
    "class-posix-negated": lines("c[[:^alpha:]]t"),
    "class-digit": lines("b[\\d]"),
    "class-unicode": lines("[é-ü]*"),
    "class-to-brackets": lines("c[Z-_]t"),
    "closing-alone": lines("c]t"),
    "escape-digit": lines("b\\d"),
    "escape-word": lines("c\\wt"),
    "escape-not-word": lines("c\\Wt"),
    "escape-boundary": lines("\\bfoo", "c\\bt"),
    "escape-octal": lines("f\\157o"),
    "escape-hex": lines("f\\x6fo"),
    "escape-quoted": lines("\\Qfoo", "\\Qx.t\\Ext"),
    "escape-begin-end": lines("\\Afoo", "x\\.txt\\z"),
    "escape-star": lines("st\\*r", "que\\?ry"),
    "escape-backslash": lines("back\\\\slash"),
    "escape-punctuation": lines("c\\.t", "c\\+t", "\\-dash", "a\\$b"),
    "escape-blank": lines("with\\ blank", "\\ \\ lead", "tra[i]l"),
    "caret": lines("c^t"),
    "caret-glob": lines("c^*"),
    "punctuation": lines("a+b", "a$b", "a|b", "(p)", "{q}", "100%", "&amp"),
    "punctuation-glob": lines("a+*", "a$?", "a|*", "(*)", "{*}", "c.*"),
    "plus-and-dollar": lines("a+?", "a$*", "c.?", "c+*"),
    "parentheses": lines("(?)", "(*"),
    "braces": lines("{?}", "{*", "*}"),
    "brace-list": lines("*.{txt,md}", "{foo,x}.t*"),
    "bar": lines("*/a|b/docs"),
    "bar-two-words": lines("foo*|bar*"),
    "bar-anchors": lines("*zzz|x.txt"),
    "bar-exact": lines("a|b"),
    "bar-quoted": lines("\\|?", "a\\|*"),
    "bar-in-class": lines("a[|]b"),
    "bar-empty": lines("d", "!d/t?p|"),
    "bar-exception": lines("**", "!*.md|keep$|d/e"),
    "repeat": lines("fo{2}*", "?{3}", "d{1}/to?"),
    "repeat-from": lines("[a-z]{4,}"),
    "repeat-to": lines("[a-z]{1,3}", "c{0}[a]{0,2}t"),
    "repeat-not": lines("b{01}*", "b{,2}*", "b{ 2}*", "c{x}?"),
    "repeat-assertion": lines("^{2}[f]oo", "\\b{0}x?txt"),
    "repeat-escape": lines("b\\d{1,2}", "c\\x61{1}t", "\\Qfo\\E{2}"),
    "repeat-exact": lines("a{2}"),
    "repeat-suffix": lines("**{2}"),
    "dash": lines("-dash"),
    "blank-inside": lines("with blank", "d ir/in side"),
    "unicode": lines("ünïcode", "日本/語.txt"),
    "unicode-glob": lines("日*", "ün*e"),
    "unicode-normal-form": lines("é"),
    "newline-name": lines("new*", "!new*/x.txt"),
    "newline-any-depth": lines("**/new*/*.txt", "**/x.txt"),
    "not-utf-8": b"l\xe4tin\nfo\xff*\n",
    "not-utf-8-glob": b"l\xe4ti*\n",
    "replacement-character": "l\ufffdti?\n".encode(),
    "stray-byte-question": lines("l?tin", "?/leaf"),
    # links and the steering files themselves
    "link": lines("link", "dirlink"),
    "through-link": lines("dirlink/b", "dirlink/*"),
    "dockerfile": lines("Dockerfile", ".dockerignore"),
    "dockerfile-globs": lines("Docker*", ".docker*"),
    "everything": lines("**", "*", ".*"),
}
# fmt: on
REFUSED: dict[str, bytes] = {
    "open-bracket": lines("["),
    "open-bracket-later": lines("foo", "x[a"),
    "empty-class": lines("c[]t"),
    "empty-negated-class": lines("c[^]t"),
    "dash-first": lines("c[-a]t"),
    "dash-last": lines("c[a-]t"),
    "trailing-backslash": lines("foo\\"),
    "trailing-backslash-blank": lines("foo\\ "),
    "bang-alone": lines("!"),
    "bang-slash": lines("!/"),
    "bang-blank": lines("! "),
    "range-backwards": lines("[z-a]"),
    "unknown-escape": lines("\\yes"),
    "unknown-posix": lines("[[:letters:]]"),
    "backreference": lines("a\\1"),
    "escaped-letter": lines("\\é"),
    "end-quote": lines("a\\E"),
    "escape-range": lines("c[\\a-\\0]t"),
    "lone-cr": b"foo\rx.txt\n",
    "tab-inside": lines("foo\t# why"),
    "repeat-of-star": lines("*{2}"),
    "repeat-twice": lines("[a]{2}{3}"),
    "repeat-once-twice": lines("[a]{1}{3}"),
    "repeat-of-stars": lines("a**{2}"),
    "repeat-nothing": lines("*a|{2}b"),
    "repeat-too-often": lines("[a]{1001}"),
    "repeat-far-too-often": lines("[a]{12345678901234567890}"),
    "repeat-backwards": lines("[a]{3,2}"),
    "long-line": b"foo\n#" + b"x" * 65_535 + b"\n",
}
COMPLAINTS = ("syntax error in pattern", "illegal exclusion pattern", "token too long", "non-printable ASCII")
STEERED: dict[str, Case] = {
    "beside-wins": Case(lines("foo"), {"Dockerfile.dockerignore": lines("x.txt")}, rules=lines("x.txt")),
    "beside-empty-wins": Case(lines("foo"), {"Dockerfile.dockerignore": b""}, rules=b""),
    "beside-other-name": Case(
        lines("foo"), {"prod.Dockerfile.dockerignore": lines("x.txt")}, "prod.Dockerfile", lines("x.txt")
    ),
    "beside-in-directory": Case(
        lines("foo"), {"build/Dockerfile.dockerignore": lines("x.txt")}, "build/Dockerfile", lines("x.txt")
    ),
    "not-in-directory": Case(lines("foo"), {"build/.dockerignore": lines("x.txt")}, "build/Dockerfile", lines("foo")),
    "beside-wrong-name": Case(
        lines("foo"), {"Dockerfile.dockerignore": lines("x.txt")}, "prod.Dockerfile", lines("foo")
    ),
    "lower-case": Case(lines("foo"), {"dockerfile.dockerignore": lines("x.txt")}, "dockerfile", lines("x.txt")),
    "beside-only": Case(None, {"Dockerfile.dockerignore": lines("**", "!foo")}, rules=lines("**", "!foo")),
    "outside": Case(
        lines("foo"), {"../outside.Dockerfile.dockerignore": lines("x.txt")}, "../outside.Dockerfile", lines("x.txt")
    ),
    "no-rules": Case(None, rules=b""),
    "longest-line": Case(b"#" + b"x" * 65_534 + b"\nfoo\n"),
}
RANDOM_FILES = 80
TARGETS_AT_ONCE = 40


def random_ignore_files(seed: int, count: int) -> dict[str, bytes]:
    """Return ignore files whose patterns are made of the tree's own names, bent by wildcards."""
    choose = random.Random(seed)  # noqa: S311 - the same files every time
    names = sorted({part for path in NAMES for part in path.split("/") if part} - {"#hash"})

    def bend(name: str) -> str:
        at = choose.randrange(len(name))
        letter = name[at] if name[at].isalpha() else "z"
        swap = choose.choice(("*", "?", f"[{letter}]", f"[^{letter}]", "**", "[a-m]", "\\w", f"[^a{letter}]*"))
        return choose.choice((name[:at] + swap + name[at + 1 :], name[:at] + swap, swap + name[at + 1 :]))

    def component(name: str) -> str:
        kind = choose.random()
        return name if kind < 0.5 else bend(name) if kind < 0.7 else choose.choice(("*", "**", "**", name))

    def pattern() -> str:
        path = choose.choice(NAMES).strip("/").split("/")
        path = path[: choose.randint(1, len(path))]
        if choose.random() < 0.15:
            path = [choose.choice(names), *path]
        text = "/".join("**" if part == "**" else component(part) for part in path)
        text = choose.choice(("", "", "**/", "*/", "/")) + text + choose.choice(("", "", "/**", "/*", "/"))
        return ("!" if choose.random() < 0.4 else "") + text.replace("br[a]ck", "brack")

    return {f"random-{number}": lines(*(pattern() for _ in range(choose.randint(1, 7)))) for number in range(count)}


def lay_out(context: Path, case: Case) -> None:
    """Write the common tree and the case's own files."""
    odd = [os.fsdecode(name) for name in (b"l\xe4tin", b"\xff/leaf")]
    for name in [*TREE.split(), *ODD_NAMES, *odd]:
        directory = context / name if name.endswith("/") else (context / name).parent
        directory.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            (context / name).touch()
    for name, target in LINKS.items():
        (context / name).symlink_to(target)
    own = {case.dockerfile: DOCKERFILE, **case.files}
    if case.ignore is not None:
        own[".dockerignore"] = case.ignore
    for name, data in own.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_bytes(data)


def observe(context: Path) -> Listing:
    """Return the listing of a directory on disk; blob ids do not matter here."""
    entries: list[tuple[bytes, bytes]] = []
    for path in context.rglob("*"):
        name = os.fsencode(path.relative_to(context))
        if path.is_symlink():
            entries.append((name, LINK + b" x"))
        elif path.is_file():
            entries.append((name, FILE + b" x"))
        elif not any(path.iterdir()):
            entries.append((name, EMPTY_DIRECTORY_RECORD))
    return Listing.of(entries)


def built(archive: Path) -> set[tuple[bytes, bytes]]:
    """Return what a build exported: each path with its kind, directories only where they hold nothing."""
    with tarfile.open(archive, errors="surrogateescape") as tar:
        members = [(os.fsencode(member.name.strip("/")), member) for member in tar]
    parents = {path.rpartition(b"/")[0] for path, _ in members}
    return {
        (path, LINK if member.issym() else DIRECTORY if member.isdir() else FILE)
        for path, member in members
        if path and not (member.isdir() and path in parents)
    }


def kinds(listing: Listing) -> set[tuple[bytes, bytes]]:
    """Return each path of a listing with its kind."""
    return {(path, record.split(b" ")[0]) for path, record in listing}


def bake(cases: Mapping[str, Case], folder: Path, env: Mapping[str, str]) -> None:
    """Build every case; many in one bake, but not all: an engine overwhelmed answers "no such job"."""
    names = list(cases)
    for start in range(0, len(names), TARGETS_AT_ONCE):
        targets = {
            name: {
                "context": str(folder / name / "context"),
                "dockerfile": cases[name].dockerfile,
                "output": [f"type=tar,dest={folder / name / 'out.tar'}"],
            }
            for name in names[start : start + TARGETS_AT_ONCE]
        }
        definition = folder / "bake.json"
        definition.write_text(json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets}))
        command = ["docker", "buildx", "bake", "--progress=plain", "-f", str(definition)]
        done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


def differences(cases: Mapping[str, Case], folder: Path, env: Mapping[str, str]) -> dict[str, object]:
    """Build every case and return, by case, what BuildKit sent and the rules dropped, and the reverse."""
    for name, case in cases.items():
        context = folder / name / "context"
        context.mkdir(parents=True)
        lay_out(context, case)
    bake(cases, folder, env)
    found: dict[str, object] = {}
    for name, case in cases.items():
        rules = case.rules if case.rules is not None else case.ignore
        expected = kinds(IgnoreRules.parse(rules or b"", ".dockerignore").filter(observe(folder / name / "context")))
        real = built(folder / name / "out.tar")
        if real != expected:
            found[name] = {"rules": rules, "missed": sorted(real - expected), "extra": sorted(expected - real)}
    return found


def test_filter_keeps_what_buildkit_sends(tmp_path: Path, engine_env: dict[str, str]) -> None:
    """Every hand-written ignore file lets through exactly the files, links and empty directories BuildKit exports."""
    cases = {name: Case(data) for name, data in PATTERNS.items()} | STEERED
    assert len(cases) > 100
    assert differences(cases, tmp_path, engine_env) == {}


def test_random_ignore_files_keep_what_buildkit_sends(tmp_path: Path, engine_env: dict[str, str]) -> None:
    """Random patterns over the tree's own names agree with BuildKit, exceptions in any order and depth included."""
    cases = {name: Case(data) for name, data in random_ignore_files(20_240_613, RANDOM_FILES).items()}
    assert differences(cases, tmp_path, engine_env) == {}


@pytest.mark.parametrize("name", REFUSED)
def test_what_buildkit_refuses_is_refused(name: str, tmp_path: Path, engine_env: dict[str, str]) -> None:
    """An ignore file that stops a real build is an error with the file's name and the line."""
    (tmp_path / "foo").touch()
    (tmp_path / "Dockerfile").write_bytes(DOCKERFILE)
    (tmp_path / ".dockerignore").write_bytes(REFUSED[name])
    command = ["docker", "buildx", "build", "--progress=plain", "--output=type=tar,dest=/dev/null", str(tmp_path)]
    told = "context canceled"  # now and then BuildKit tells only that it cancelled the rest: it is asked again
    for _ in range(5):
        if "context canceled" in told:
            build = subprocess.run(command, env=engine_env, capture_output=True, text=True, check=False)
            assert build.returncode != 0
            told = build.stderr
    assert any(complaint in told for complaint in COMPLAINTS), told
    with pytest.raises(DockerignoreError, match=r"^\.dockerignore:\d+: "):
        IgnoreRules.parse(REFUSED[name], ".dockerignore")


def test_linked_ignore_file_is_followed_inside_the_context(tmp_path: Path, engine_env: dict[str, str]) -> None:
    """BuildKit follows a linked .dockerignore as if the context were the file system's root, and never out of it."""
    sent = {}
    for name, target in {"leaving": "../rules", "clamped": "../inner", "absolute": "/inner", "within": "inner"}.items():
        context = tmp_path / name
        context.mkdir()
        for rules in (context / "inner", tmp_path / "rules"):
            rules.write_bytes(lines("foo"))
        (context / "foo").touch()
        (context / "Dockerfile").write_bytes(DOCKERFILE)
        (context / ".dockerignore").symlink_to(target)
        command = ["docker", "buildx", "build", f"--output=type=tar,dest={tmp_path / name}.tar", str(context)]
        subprocess.run(command, env=engine_env, capture_output=True, check=True)
        sent[name] = (b"foo", FILE) in built(tmp_path / f"{name}.tar")
    assert sent == {"leaving": True, "clamped": False, "absolute": False, "within": False}


def test_candidates_name_the_file_buildkit_reads(tmp_path: Path) -> None:
    """The file beside the Dockerfile comes first in every steered case, by the Dockerfile's own spelling."""
    for case in STEERED.values():
        beside, at_root = ignore_file_candidates(case.dockerfile)
        in_force = case.files.get(beside, case.ignore if at_root == ".dockerignore" else None)
        assert (in_force or b"") == (case.rules if case.rules is not None else case.ignore)
