"""One line of an ignore file: read as moby's ``ignorefile.ReadAll`` does, matched as moby/patternmatcher does.

Patterns are text. Bytes that are not UTF-8 arrive at the matcher as U+FFFD, because BuildKit passes patterns through
JSON. Paths stay bytes, since literal patterns are compared byte by byte; only regular expressions see decoded paths,
each stray byte as U+FFFD like Go.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from pipeline_kit.dockerignore.go_parser import parse_go_regexp
from pipeline_kit.dockerignore.go_regexp import GoRegexp, GoRegexpError
from pipeline_kit.errors import DockerignoreError
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOM = b"\xef\xbb\xbf"
_LINE_LIMIT = 64 * 1024 - 1  # bytes; bufio.Scanner's buffer holds one more, for the line feed
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_BLANKS += "\u2028\u2029\u202f\u205f\u3000"  # Go's unicode.IsSpace: str.strip() alone takes more
_STRAY_BYTE = re.compile("[\udc80-\udcff]")
_REGEXP_ONLY = frozenset(".+()$")
_WILD = re.compile("[*?\\[\\]\\\\^\ufeff\ufffd]")  # the last also stands for stray bytes
_PLAIN_GLOB = frozenset("[]\\|{}()+^$\ufeff\ufffd")  # characters that may make a match other than the text itself
_ANY_DEPTH = "(.*/)?"
_BACKTRACKING_LIMIT = 1_000_000  # steps of Python's engine for one path; about 20 ms


class Form(Enum):
    """How a pattern is compared with a path (``matchType`` in moby/patternmatcher)."""

    EXACT = auto()
    PREFIX = auto()
    SUFFIX = auto()
    REGEXP = auto()


@value_class()
class Pattern:
    """One pattern: ``text`` as moby cleans it, without the ``!`` that makes it an ``exception``.

    ``literal`` is what EXACT, PREFIX and SUFFIX compare with, and for REGEXP the fixed beginning of every match.
    """

    text: str
    exception: bool
    form: Form
    literal: bytes
    regexp: GoRegexp | None = None
    _test: Callable[[bytes], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the comparison once: it runs for every directory of a context."""
        object.__setattr__(self, "_test", _tester(self.form, self.literal, self.regexp))

    def matches(self, path: bytes) -> bool:
        """Return whether the pattern matches ``path`` itself; what lies above it is the caller's affair."""
        return self._test(path)


def required_piece(pattern: Pattern) -> bytes | None:
    """Return bytes that every path the pattern matches contains, or ``None`` where that is not certain."""
    if pattern.form is not Form.REGEXP:
        return pattern.literal.strip(b"/") or None
    if not _PLAIN_GLOB.isdisjoint(pattern.text):
        return None
    pieces = [piece.strip("/") for piece in re.split(r"[*?]+", pattern.text)]
    longest = max(pieces, key=len)
    return longest.encode() or None


def path_text(path: bytes) -> str:
    """Return ``path`` as the runes Go's regexp sees: each byte that is not UTF-8 is U+FFFD."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        return _STRAY_BYTE.sub("\ufffd", path.decode("utf-8", "surrogateescape"))


def _tester(form: Form, literal: bytes, regexp: GoRegexp | None) -> Callable[[bytes], bool]:
    """Return the comparison for one pattern."""
    if regexp is not None:
        return _regexp_tester(regexp)
    if form is Form.EXACT:
        return literal.__eq__
    if form is Form.PREFIX:
        return lambda path: path.startswith(literal)
    whole = literal.removeprefix(b"/") if literal.startswith(b"/") else None
    return lambda path: path.endswith(literal) or path == whole


def _regexp_tester(regexp: GoRegexp) -> Callable[[bytes], bool]:
    """Return a comparison by Python's engine, or by the linear one where backtracking could get out of hand."""
    search = re.compile(regexp.source).search
    loops = regexp.loops

    def test(path: bytes) -> bool:
        text = path_text(path)
        if len(text) ** loops > _BACKTRACKING_LIMIT and loops > 1:
            return regexp.search(text)
        return search(text) is not None

    return test


def read_patterns(data: bytes, name: str) -> list[Pattern]:
    """Return the patterns of an ignore file's bytes, in order.

    Raises DockerignoreError, with ``name:line``, where BuildKit refuses to build: a line of 64 KiB or more, ``!``
    without a pattern, a control character, or a pattern that is malformed for Go's ``filepath.Match`` or, once
    translated, for its ``regexp``. (BuildKit notices the last only when it compares a path; here it always counts.)
    """
    found = list(_lines(data, name))
    if all(raw.isascii() for _, raw in found):  # any other is percent-encoded with all the rest
        for line, raw in found:
            if not raw.isprintable():
                message = f"{name}:{line}: control character in pattern {raw!r}"
                raise DockerignoreError(message, hint="BuildKit cannot send such a pattern: write ? for the character")
    return [_parse_pattern(raw, f"{name}:{line}") for line, raw in found]


def _lines(data: bytes, name: str) -> Iterator[tuple[int, str]]:
    """Yield ``(line number, pattern)`` as ``ignorefile.ReadAll`` returns patterns; ``!`` still in front."""
    for number, raw in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
        if len(raw) + (len(_BOM) if number == 1 and data.startswith(_BOM) else 0) > _LINE_LIMIT:
            raise DockerignoreError(f"{name}:{number}: line too long (BuildKit stops at 64 KiB)")
        if raw.startswith(b"#"):
            continue
        pattern = raw.decode("utf-8", "surrogateescape").strip(_BLANKS)
        if not pattern:
            continue
        mark = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip(_BLANKS)
        if pattern:
            pattern = clean(pattern)
        yield (
            number,
            _STRAY_BYTE.sub("\ufffd", mark + (pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern)),
        )


def clean(path: str) -> str:
    """Return the shortest equivalent of ``path`` by text alone (Go ``path.Clean``)."""
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts and parts[-1] != "..":
            parts.pop()
        elif not rooted:
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."


def _parse_pattern(raw: str, where: str) -> Pattern:
    """Return one compiled pattern (``patternmatcher.New`` and ``compile``); ``where`` goes into the error."""
    text = clean(raw.strip(_BLANKS))  # a second time: "!" + "/" is "!" only now
    exception = text.startswith("!")
    text = text.removeprefix("!")
    if exception and not text:
        raise DockerignoreError(f'{where}: illegal exclusion pattern: "!"', hint="write a pattern after the !")
    try:
        _check_syntax(text)
        form, expression = _translate(text)
        regexp = parse_go_regexp(expression) if form is Form.REGEXP else None
    except GoRegexpError as error:
        hint = "a character with a meaning is taken literally after a backslash: \\["
        raise DockerignoreError(f"{where}: syntax error in pattern {text!r}: {error}", hint=hint) from error
    return Pattern(text, exception, form, _literal(form, text), regexp)


def _literal(form: Form, text: str) -> bytes:
    """Return the bytes a pattern of this form compares with."""
    raw = text.encode()
    if form is Form.PREFIX:
        return raw[:-2]
    if form is Form.SUFFIX:
        return raw[2:]
    if form is Form.EXACT:
        return raw
    return b"" if "|" in text or "{" in text else _WILD.split(text, maxsplit=1)[0].encode()


def _check_syntax(pattern: str) -> None:
    """Raise GoRegexpError where Go's ``filepath.Match`` calls ``pattern`` malformed."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "[":
            at = _check_class(pattern, at + 1)
        elif pattern[at] == "\\" and at + 1 == len(pattern):
            raise GoRegexpError("nothing after the backslash")
        else:
            at += 2 if pattern[at] == "\\" else 1


def _check_class(pattern: str, at: int) -> int:
    """Return the position after a bracket expression that begins before ``at``; GoRegexpError where it is malformed."""
    if pattern[at : at + 1] == "^":
        at += 1
    first = at
    while at == first or pattern[at] != "]":
        at = _check_class_character(pattern, at)
        if pattern[at] == "-":
            at = _check_class_character(pattern, at + 1)
    return at + 1


def _check_class_character(pattern: str, at: int) -> int:
    """Return the position after one character of a bracket expression, which must not be the pattern's last."""
    if pattern[at : at + 1] in ("", "-", "]"):
        raise GoRegexpError("a malformed or unclosed [")
    at += 2 if pattern[at] == "\\" else 1
    if at >= len(pattern):
        raise GoRegexpError("an unclosed [")
    return at


def _translate(pattern: str) -> tuple[Form, str]:
    """Return the form of a cleaned pattern and the Go expression moby/patternmatcher builds for it."""
    rest = pattern.removeprefix("\ufeff")  # text/scanner drops one
    form = Form.EXACT
    parts = ["^"]
    at = 0
    while at < len(rest):
        first = at == 0
        part, taken, special = _translate_one(rest, at)
        at += taken
        if part == _ANY_DEPTH and at >= len(rest) and form is Form.EXACT:
            form = Form.PREFIX
        elif special:
            form = Form.REGEXP
        if first and part == _ANY_DEPTH:
            form = Form.SUFFIX
        parts.append(".*" if part == _ANY_DEPTH and at >= len(rest) else part)
    return form, "".join([*parts, "$"])


def _translate_one(rest: str, at: int) -> tuple[str, int, bool]:
    """Return the expression for what stands at ``at``, how many characters that was, and whether it is special."""
    character = rest[at]
    if character == "*":
        if rest[at + 1 : at + 2] != "*":
            return "[^/]*", 1, True
        return _ANY_DEPTH, 3 if rest[at + 2 : at + 3] == "/" else 2, True
    if character == "?":
        return "[^/]", 1, True
    if character in _REGEXP_ONLY:
        return "\\" + character, 1, False
    if character == "\\":
        return rest[at : at + 2], 2, True
    return character, 1, character in "[]"
