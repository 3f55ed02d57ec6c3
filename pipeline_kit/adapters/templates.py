"""Where the workflows and buildspecs lie that the program hands out as they are.

A wheel carries them below ``pipeline_kit/_templates``; in a checkout they are the repository's own directories.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline_kit.errors import InputError

Kind = Literal["workflows", "buildspecs"]
_PACKAGE = Path(__file__).resolve().parents[1]
_IN_CHECKOUT = {"workflows": ("examples", "workflows"), "buildspecs": ("buildspec-templates",)}


def template_names(kind: Kind) -> tuple[str, ...]:
    """Return the names of a kind's templates, without ``.yml``, sorted."""
    return tuple(sorted(path.stem for path in _directory(kind).glob("*.yml")))


def read_template(kind: Kind, name: str) -> str:
    """Return the text of the template ``name``. Raises InputError where there is none."""
    names = template_names(kind)
    if name not in names:
        raise InputError(f"there is no template {name!r} of {kind}", hint=f"templates are: {', '.join(names)}")
    return (_directory(kind) / f"{name}.yml").read_text(encoding="utf-8")


def _directory(kind: Kind) -> Path:
    carried = _PACKAGE / "_templates" / kind
    return carried if carried.is_dir() else _PACKAGE.parent.joinpath(*_IN_CHECKOUT[kind])
