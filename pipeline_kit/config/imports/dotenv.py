"""``.env`` beside a Compose file: defaults for its variables.

Source: Docker documentation, "Set environment variables: .env file syntax".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.config.document import Position
from pipeline_kit.config.imports.variables import InterpolationFault, Variables

if TYPE_CHECKING:
    from pipeline_kit.config.findings import Findings

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ENTRY = re.compile(
    r"""[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*
    (?:[=:][ \t]*
        (?:'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>(?!['"])[^\n]*))
    )?[ \t]*(?:\#[^\n]*)?(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def read_dotenv(findings: Findings, data: bytes, variables: Variables) -> None:
    """Put what ``data`` sets below the environment in ``variables``; report the first line that is not understood."""
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    at = 0
    while at < len(text):
        found = _BLANK.match(text, at) or _ENTRY.match(text, at)
        if found is None:
            line = Position(text.count("\n", 0, at) + 1, 1)
            suggestion = "check its quotes" if "'" in text[at:] or '"' in text[at:] else ""
            findings.add(line, "this is not NAME=VALUE", key="imports", suggestion=suggestion)
            return
        if found.re is _ENTRY:
            _set(variables, found)
        at = found.end()


def _set(variables: Variables, found: re.Match[str]) -> None:
    name, single, double, plain = found.group("name", "single", "double", "plain")
    if single is not None:
        variables.dotenv[name] = single.replace("\\'", "'")
    elif double is not None or plain is not None:
        text = re.sub(r"(?s)\\(.)", _unescaped, double) if double is not None else _COMMENT.sub("", plain).rstrip()
        try:
            variables.dotenv[name] = variables.interpolate(text)
        except InterpolationFault:
            # Such a value is most likely a secret's and none of the build's business; whoever uses it is told.
            variables.dotenv.pop(name, None)


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[0])
