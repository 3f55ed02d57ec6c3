"""pipeline-kit.yaml: bytes to a checked :class:`~pipeline_kit.config.model.Config`, and what it is made of.

Pure: the caller reads the file, gives the environment, and answers what exists where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.document import Unreadable, read_document
from pipeline_kit.config.fields import Environment, Reading
from pipeline_kit.config.findings import MAX_PROBLEMS, Findings, ReportFull
from pipeline_kit.config.model import (
    CacheSpec,
    CodeDeploy,
    Config,
    ContainerChanges,
    DirectoryContext,
    EcsDeployment,
    EcsService,
    ImageConfig,
    ImageContext,
    Location,
    NamedContext,
    Network,
    ReferenceContext,
    Retention,
    Secret,
)
from pipeline_kit.config.paths import PathKind, Paths
from pipeline_kit.config.placeholders import PLACEHOLDERS, expand, slug, split_template
from pipeline_kit.config.reader import read_config
from pipeline_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.config.imports.source import ImportSource

__all__ = [
    "PLACEHOLDERS",
    "CacheSpec",
    "CodeDeploy",
    "Config",
    "ContainerChanges",
    "DirectoryContext",
    "EcsDeployment",
    "EcsService",
    "ImageConfig",
    "ImageContext",
    "Location",
    "NamedContext",
    "Network",
    "PathKind",
    "ReferenceContext",
    "Retention",
    "Secret",
    "expand",
    "load",
    "slug",
    "split_template",
]


def load(
    data: bytes,
    file: str,
    *,
    environ: Mapping[str, str],
    exists: Callable[[str], PathKind],
    allow_outside: bool = False,
    source: ImportSource | None = None,
) -> Config:
    """Return the configuration in ``data`` with defaults and environment applied and every rule of design D3 checked.

    ``file`` is the name that problems carry. ``exists`` is asked about paths relative to the file's directory, in
    normal form, ``source`` for the files of ``imports:``, which without one are all missing. ``allow_outside`` permits
    paths that leave the repository (design D12). Raises ConfigError with every problem at once, or with the first 100;
    what ``source`` raises passes through.
    """
    findings = Findings(file)
    reading = Reading(findings, Environment(environ), Paths(exists, allow_outside=allow_outside))
    try:
        config = read_config(reading, read_document(data, findings), source)
    except Unreadable:
        raise ConfigError(findings.problems) from None
    except ReportFull:
        hint = f"only the first {MAX_PROBLEMS} problems are shown"
        raise ConfigError(findings.problems, hint=hint) from None
    if findings.problems:
        raise ConfigError(findings.problems)
    return config
