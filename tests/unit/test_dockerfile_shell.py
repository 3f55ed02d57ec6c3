"""Word expansion, word splitting, flags and JSON arrays."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.dockerfile.faults import ExpansionError, StatementError
from pipeline_kit.dockerfile.shell import expand, names_in, split
from pipeline_kit.dockerfile.words import comma_separated, json_array, quoted_words, take_flags

VARIABLES = {
    "PWD": "/home",
    "SHELL": "bash",
    "NULL": "",
    "V": "v1.2.3-rc.1",
    "P": "a/b/a/b",
    "KO": "한국어",
    "S": "a*b",
}

EXPANSIONS = [
    ("hello", "hello"),
    ("he'll'o", "hello"),
    (r"he\'llo", "he'llo"),
    (r"abc\tdef", "abctdef"),
    (r'"abc\tdef"', r"abc\tdef"),
    (r'"abc\\tdef"', r"abc\tdef"),
    (r"'abc\tdef'", r"abc\tdef"),
    ("hello\\", "hello"),
    ('"hel\'lo"', "hel'lo"),
    (r"'hello\'", "hello\\"),
    ("$.", "$."),
    ("he$1x", "hex"),
    ("he$PWD", "he/home"),
    (r"he\$PWD", "he$PWD"),
    (r"he\\$PWD", r"he\/home"),
    (r"\${}", "${}"),
    ("he${hi}xx", "hexx"),
    ("${PWD}x", "/homex"),
    ("he${XXX:-000}xx", "he000xx"),
    ("${PWD:-000}", "/home"),
    ("${NULL:-x}${NULL-y}|${XXX-z}", "x|z"),
    ("${XXX:-${YYY:-$PWD}}", "/home"),
    ("${PWD:+set}${NULL:+no}${NULL+yes}${XXX+no}", "setyes"),
    ("${PWD:?}${NULL?}", "/home"),
    ("he${PWD:+${PWD}:}xx", "he/home:xx"),
    (r"he${XXX:-\$PWD:}xx", "he$PWD:xx"),
    ("\"he'$PWD'\"", "he'/home'"),
    ("'$PWD'", "$PWD"),
    ("${aaa}}", "}"),
    ("${aaa:-bbb {foo}", "bbb {foo"),
    ("안$KO녕", "안"),
    ("${KO}녕", "한국어녕"),
    ("${1:-bbb}", "bbb"),
    ("${V#v}", "1.2.3-rc.1"),
    ("${V#*.}", "2.3-rc.1"),
    ("${V##*.}", "1"),
    ("${V%.*}", "v1.2.3-rc"),
    ("${V%%.*}", "v1"),
    ("${V%-*}", "v1.2.3"),
    ("${V#?}", "1.2.3-rc.1"),
    ("${V#nope}", "v1.2.3-rc.1"),
    ("${P/a/X}", "X/b/a/b"),
    ("${P//a/X}", "X/b/X/b"),
    (r"${P//\//-}", "a-b-a-b"),
    ("${P/*b/X}", "X"),
    (r"${P//a/-\$0-\$x\$\$}", "-\\a-\\\\$\\$/b/-\\a-\\\\$\\$/b"),
    ("${P//b*/X}", "a/X"),
    (r"${S#a\*}", "b"),
    ("${S//*/x}", "x"),
    ("${XXX#a}", ""),
    ('"${XXX:-"quoted"}"', "quoted"),
    ("a<b", "a<b"),
    ("<<EOF", "<<EOF"),
]


@pytest.mark.parametrize(("word", "expected"), EXPANSIONS)
def test_expand(word: str, expected: str) -> None:
    """A word expands as BuildKit expands it."""
    assert expand(word, VARIABLES.get) == expected


@pytest.mark.parametrize(
    "word",
    [
        "he'llo",
        r"he\\'llo",
        '"hello',
        r'"hello\"',
        "${}",
        "${",
        "${PWD",
        "${.}",
        "${{aaa}",
        "${:}",
        "${:-bbb}",
        "${XXX:YYY}",
        "${XXX?}",
        "${XXX:?}",
        "${NULL:?}",
        "${PWD:=000}",
        "${PWD:#x}",
        "${aaa:-bbb",
        "${P/a}",
        "${P/a/b",
        r"${P#\x}",
        "${a:-" * 100 + "}" * 100,
    ],
)
def test_expand_refuses(word: str) -> None:
    """A word that BuildKit refuses is an error, not a guess."""
    with pytest.raises(ExpansionError):
        expand(word, VARIABLES.get)


def test_required_variable_says_its_own_message() -> None:
    """``${X:?text}`` fails with the author's text and a hint that names the variable."""
    with pytest.raises(ExpansionError) as caught:
        expand("${TOKEN:?set the token}", lambda _name: None)
    assert caught.value.message == "TOKEN: set the token"
    assert caught.value.hint is not None
    assert "TOKEN" in caught.value.hint


def test_escape_character_is_the_files_own() -> None:
    """With a backtick as escape, a backslash is an ordinary character."""
    assert expand("C:\\$X`$X", {"X": "1"}.get, escape="`") == "C:\\1$X"


def test_heredoc_text_keeps_its_quotes() -> None:
    """In a here-document quotes are text and variables still expand."""
    assert expand("'$X' \"$X\"", {"X": "1"}.get, quotes=False) == "'1' \"1\""


def test_names_in_sees_branches_not_taken() -> None:
    """Every variable that a word could need is named, also in the other branch and after a required one."""
    assert names_in("${A:-$B}${C:+${D}}'$E'${F:?$G}${H/$I/$J}") == frozenset("ABCDFGHIJ")


def test_hostile_pattern_is_fast() -> None:
    """A pattern full of stars does not make the matching exponential."""
    assert expand("${X//*a*a*a*a*a*a*a*a*b/y}", {"X": "a" * 400}.get) == "a" * 400


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=6))
def test_longest_and_shortest_are_both_matches(pattern: str, value: str) -> None:
    """``##`` removes at least as much as ``#``, and ``%%`` at least as much as ``%``."""
    word = pattern.lstrip("#")
    short, long = (expand(f"${{X{sign}{word}}}", {"X": value}.get) for sign in ("#", "##"))
    assert value.endswith(short)
    assert short.endswith(long)
    short, long = (expand(f"${{X{sign}{word}}}", {"X": value}.get) for sign in ("%", "%%"))
    assert value.startswith(short)
    assert short.startswith(long)


@given(st.text())
def test_expand_raises_nothing_else(text: str) -> None:
    """Any text expands or is an ExpansionError."""
    with suppress(ExpansionError):
        expand(text, VARIABLES.get)
    with suppress(ExpansionError):
        assert all(split(text, raw_quotes=True, raw_escapes=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b", ["a", "b"]),
        ("cat <<EOF >x", ["cat", "<<EOF", ">x"]),
        ("cat << EOF", ["cat", "<< EOF"]),
        ("'a b' c", ["'a b'", "c"]),
        ("${X:-a b} $Y", ["${X:-a", "b}", "$Y"]),
        (r"a\ b", [r"a\ b"]),
    ],
)
def test_split(text: str, words: list[str]) -> None:
    """Words are cut at blanks outside quotes; variables stay as written."""
    assert split(text, raw_quotes=True, raw_escapes=True) == words


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("--from=a b c", ["--from=a"], "b c"),
        ("--a --b=1 x --c", ["--a", "--b=1"], "x --c"),
        ('--m="a b",c x', ["--m=a b,c"], "x"),
        (r"--m=a\ b x", ["--m=a b"], "x"),
        ("-- --x y", [], " --x y"),
        ("- x", [], "- x"),
        ("--x", ["--x"], ""),
        ("é --x", [], "é --x"),
        ("--x=é y", ["--x=Ã©"], "y"),
        ("", [], ""),
    ],
)
def test_take_flags(text: str, flags: list[str], rest: str) -> None:
    """Leading flags are taken off, byte by byte as BuildKit does, and the rest is left alone."""
    assert take_flags(text, "\\") == (flags, rest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a=1 b="2 3"', ["a=1", 'b="2 3"']),
        (r"a=1\ 2 b", [r"a=1\ 2", "b"]),
        ("a='x\\' b", ["a='x\\'", "b"]),
        ('a="x\\" y" b', ['a="x\\" y"', "b"]),
        ("a=\\", ["a="]),
    ],
)
def test_quoted_words(text: str, words: list[str]) -> None:
    """ENV, LABEL and ARG keep their quotes until expansion."""
    assert quoted_words(text, "\\") == words


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ('["a", "b"]', ["a", "b"]),
        (" []", []),
        ("[a]", None),
        ('["a"', None),
        ('["a"] x', None),
        ("[NaN]", None),
        ("x", None),
    ],
)
def test_json_array(text: str, array: list[str] | None) -> None:
    """Only valid JSON is JSON form; everything else is shell form."""
    assert json_array(text) == array


@pytest.mark.parametrize("text", ["[1]", '["a", ["b"]]', "[null]", "[" * 5000 + "]" * 5000])
def test_json_array_of_other_things(text: str) -> None:
    """A JSON array with anything but strings is refused, as BuildKit does."""
    with pytest.raises(StatementError):
        json_array(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [("a,b=c", ["a", "b=c"]), ('"a,b",c', ["a,b", "c"]), ('"a""b"', ['a"b']), ("a,", ["a", ""]), ("", [""])],
)
def test_comma_separated(text: str, fields: list[str]) -> None:
    """Mount fields are CSV."""
    assert comma_separated(text) == fields


@pytest.mark.parametrize("text", ['a"b', '"a', '"a"b'])
def test_comma_separated_refuses(text: str) -> None:
    """Quotes must enclose a whole field."""
    with pytest.raises(StatementError):
        comma_separated(text)
