"""The workflows and buildspecs that ``pipeline-kit init`` copies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.adapters.templates import read_template, template_names
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.adapters.templates import Kind

DEFAULT = "build"
"""Everything in one job."""
_DEFAULTS = {"amazonaws.com": "build-ecr", "amazonaws.com.cn": "build-ecr", "pkg.dev": "build-gar"}
"""The workflow that logs in to a registry, by the end of its host."""
_SUFFIX = ".yml"
_PLACEHOLDER = re.compile(r"OWNER/pipeline-kit(?P<path>(?:/[A-Za-z0-9_.-]+)*)@COMMIT")
_CALLED = re.compile(r"uses: \./\.github/workflows/([a-z0-9-]+)\.yml")
_ACTION_REF = re.compile(
    r"(?P<repository>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]+)@(?P<ref>[A-Za-z0-9_][A-Za-z0-9_./-]*)"
)


class Template(NamedTuple):
    """A file to copy: where it goes, relative to the repository's top level, and its text."""

    path: str
    text: str

    @property
    def has_placeholder(self) -> bool:
        """Return whether somebody still has to say where the tool comes from."""
        return _PLACEHOLDER.search(self.text) is not None


def check(kind: Kind, wanted: Sequence[str]) -> None:
    """Raise InputError for a name that is no template's; ``""`` is the default one."""
    known = template_names(kind)
    for name in wanted:
        if name and name not in known:
            what = "workflow" if kind == "workflows" else "buildspec"
            raise InputError(f"there is no {what} {name!r}", hint=f"there are: {', '.join(known)}")


def read(kind: Kind, wanted: Sequence[str], action_ref: str | None, host: str) -> list[Template]:
    """Return the templates of the names ``wanted``, each once; ``""`` is the one that fits the registry ``host``.

    Workflows that one of them calls come along. ``action_ref``, ``OWNER/REPOSITORY@COMMIT``, replaces the placeholder
    in them. Raises InputError for a name that is none.
    """
    check(kind, wanted)
    chosen = list(dict.fromkeys(name or _default(kind, host) for name in wanted))
    for name in chosen:  # grows meanwhile
        chosen += [called for called in _CALLED.findall(read_template(kind, name)) if called not in chosen]
    return [Template(_target(kind, name, chosen), _text(kind, name, action_ref)) for name in chosen]


def _default(kind: Kind, host: str) -> str:
    fitting = next((name for end, name in _DEFAULTS.items() if host.endswith(f".{end}")), DEFAULT)
    return fitting if kind == "workflows" and fitting in template_names(kind) else DEFAULT


def check_action_ref(text: str) -> None:
    """Raise InputError unless ``text`` is ``OWNER/REPOSITORY@COMMIT``."""
    if _ACTION_REF.fullmatch(text) is None:
        raise InputError(
            f"{text!r} is not OWNER/REPOSITORY@COMMIT", hint="as in acme/pipeline-kit@ and a full commit id"
        )


def _target(kind: Kind, name: str, chosen: Sequence[str]) -> str:
    if kind == "workflows":
        return f".github/workflows/{name}{_SUFFIX}"
    # CodeBuild takes buildspec.yml without being told.
    return "buildspec.yml" if len(chosen) == 1 or name == DEFAULT else f"buildspec-{name}{_SUFFIX}"


def _text(kind: Kind, name: str, action_ref: str | None) -> str:
    text = read_template(kind, name)
    given = _ACTION_REF.fullmatch(action_ref) if action_ref else None
    if given is None:
        return text
    return _PLACEHOLDER.sub(lambda found: f"{given['repository']}{found['path']}@{given['ref']}", text)
