"""``pipeline-kit init``: find, draft, check, write (design D2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.app import init_templates
from pipeline_kit.app.imports import ImportedFiles
from pipeline_kit.app.init_dockerfiles import examiner
from pipeline_kit.app.init_finding import find, look
from pipeline_kit.app.init_writing import NewFile, refuse_existing, refuse_outside, write_all
from pipeline_kit.app.outset import CONFIG_NAMES
from pipeline_kit.app.project import PathProbe, disk_reader
from pipeline_kit.app.signals import interruptible
from pipeline_kit.config import load
from pipeline_kit.config.starting.drafting import Check, Started, Wishes, start
from pipeline_kit.config.starting.found import KINDS
from pipeline_kit.config.starting.place import PLACEHOLDER, VARIABLE
from pipeline_kit.errors import ConfigError, InputError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.app.init_finding import Directory
    from pipeline_kit.app.init_templates import Template
    from pipeline_kit.errors import Problem

__all__ = ["KINDS", "Begun", "InitOptions", "begin", "write"]

_SET_LATER = "set-later"
_NO_REGISTRY = "registry.invalid"
"""Stands in for a registry that is not known while a draft is checked; no such host can exist (RFC 6761)."""


class InitOptions(NamedTuple):
    """What the user asked for."""

    registry: str = ""
    project: str = ""
    kinds: tuple[str, ...] = KINDS
    workflows: tuple[str, ...] = ()
    buildspecs: tuple[str, ...] = ()
    action_ref: str | None = None


class Begun(NamedTuple):
    """A checked configuration, not yet written, and the files to go with it."""

    started: Started
    path: Path
    """Where the configuration goes."""
    root: Path
    """The repository's top level: where the other files go."""
    inside: str
    """The configuration's directory below ``root``; ``.`` at the top."""
    templates: tuple[Template, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Return all files, the configuration first."""
        return [self.path, *(self.root / template.path for template in self.templates)]

    @property
    def needs_registry(self) -> bool:
        """Return whether nothing said where images go."""
        return self.started.place.registry == PLACEHOLDER


def begin(directory: Path, named: str | None, options: InitOptions, environ: Mapping[str, str]) -> Begun:
    """Return a configuration for what lies beside the file ``named`` (default: pipeline-kit.yaml) in ``directory``.

    Nothing is written. Raises InputError where nothing is there to build, or a wish cannot be met, and CheckoutError
    subclasses.
    """
    if options.action_ref is not None:
        init_templates.check_action_ref(options.action_ref)
    init_templates.check("workflows", options.workflows)
    init_templates.check("buildspecs", options.buildspecs)
    path = directory / (named or CONFIG_NAMES[0])
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}")
    place = look(path.parent)
    findings = find(place, options.kinds, environ)
    wishes = Wishes(options.registry, options.project, options.kinds)
    started = start(findings, wishes, examiner(place.read, place.exists), place, _checker(place, path.name, environ))
    templates = (
        *init_templates.read("workflows", options.workflows, options.action_ref, started.place.host),
        *init_templates.read("buildspecs", options.buildspecs, options.action_ref, started.place.host),
    )
    return Begun(started, path, place.root, place.home.relative_to(place.root).as_posix(), templates)


def _checker(place: Directory, name: str, environ: Mapping[str, str]) -> Check:
    """Return what loads a text as every command would, and tells what keeps it from loading."""
    source = ImportedFiles(disk_reader(place.home), environ)
    probe = PathProbe(place.home, place.root)

    def check(text: str, waiting: Collection[str]) -> Sequence[Problem]:
        known = {**dict.fromkeys(waiting, _SET_LATER), VARIABLE: _NO_REGISTRY, **environ}
        try:
            load(text.encode(), name, environ=known, exists=probe, source=source)
        except ConfigError as error:
            return error.problems
        return ()

    return check


def write(begun: Begun, *, force: bool) -> list[Path]:
    """Write everything, or nothing, and return the paths; files that are there are replaced only by ``force``.

    Raises InputError, and OutputFailed where the disk refuses.
    """
    paths = begun.paths
    refuse_outside(paths, Path(os.path.realpath(begun.root)))
    if not force:
        twins = [begun.path.with_name(name) for name in CONFIG_NAMES if begun.path.name in CONFIG_NAMES]
        refuse_existing([*dict.fromkeys([begun.path, *twins]), *paths[1:]])
    texts = [begun.started.text, *(template.text for template in begun.templates)]
    with interruptible():
        write_all([NewFile(path, text.encode()) for path, text in zip(paths, texts, strict=True)])
    return paths
