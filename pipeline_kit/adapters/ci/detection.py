"""Which CI system this is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.ci.context import Ci

_IN_ORDER = (
    ("GITHUB_ACTIONS=true", "github"),
    ("CODEBUILD_INITIATOR=codepipeline/…", "codepipeline"),
    ("CODEBUILD_BUILD_ID", "codebuild"),
    ("GITLAB_CI=true", "gitlab"),
    ("BUILDKITE=true", "buildkite"),
    ("CIRCLECI=true", "circleci"),
    ("JENKINS_URL", "jenkins"),
)
_PIPELINE = "codepipeline/"
_TOGETHER = frozenset({"GITHUB_ACTIONS=true", "CODEBUILD_INITIATOR=codepipeline/…", "CODEBUILD_BUILD_ID"})


def detect(environ: Mapping[str, str]) -> Ci:
    """Return what ``environ`` (the process environment) says about the run. Never raises.

    GitHub goes before CodeBuild: a CodeBuild project that serves as a GitHub Actions runner sets both, and the
    workflow's outputs and refs are GitHub's. Of any other two systems the first in order is believed, with a warning.
    """
    found = [(sign, module) for sign, module in _IN_ORDER if _applies(sign, environ)]
    if not found:
        return _context("local", environ)
    sign, module = found[0]
    others = [other for other, _ in found[1:] if not {sign, other} <= _TOGETHER]
    ci = _context(module, environ)
    if not others:
        return ci
    warning = f"{' and '.join([sign, *others])} are all set: taken for {ci.provider}; unset the others' variables"
    return ci._replace(warnings=(warning, *ci.warnings))


def _context(module: str, environ: Mapping[str, str]) -> Ci:
    """Ask one system's module; the others are not even loaded."""
    ci: Ci = import_module(f"pipeline_kit.adapters.ci.{module}").context(environ)
    return ci


def _applies(sign: str, environ: Mapping[str, str]) -> bool:
    name, equals, value = sign.partition("=")
    if name == "CODEBUILD_INITIATOR":
        return _is_codebuild(environ) and environ.get(name, "").startswith(_PIPELINE)
    if name == "CODEBUILD_BUILD_ID":
        return _is_codebuild(environ)
    return environ.get(name) == value if equals else bool(environ.get(name))


def _is_codebuild(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("CODEBUILD_BUILD_ID") or environ.get("CODEBUILD_BUILD_ARN"))
