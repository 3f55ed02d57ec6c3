"""A Docker configuration for children that need an ECR token the user's own configuration does not give."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.aws.ecr import is_ecr_host
from pipeline_kit.adapters.registry.credentials import OWN_HELPER, DockerConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROGRAM = f"docker-credential-{OWN_HELPER}"


@contextmanager
def docker_config_for(host: str, environ: Mapping[str, str]) -> Iterator[tuple[Path | None, Mapping[str, str]]]:
    """Give a DOCKER_CONFIG folder and the environment to use with it; ``(None, environ)`` when none is needed.

    The folder (mode 0700, removed afterwards) holds the user's own configuration, and names our credential helper for
    ``host``; no token is written to it. The helper is put on the children's PATH.
    """
    if not is_ecr_host(host) or DockerConfig(environ).lookup(host) is not None:
        yield None, environ
        return
    folder = Path(tempfile.mkdtemp(prefix="pipeline-kit-docker-"))
    try:
        document = _user_document(DockerConfig(environ).path)
        helpers = document.get("credHelpers")
        document["credHelpers"] = {**(helpers if isinstance(helpers, dict) else {}), host: OWN_HELPER}
        descriptor = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        yield folder, _with_helper(environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user_document(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _with_helper(environ: Mapping[str, str]) -> Mapping[str, str]:
    here = str(Path(sys.executable).parent)
    if shutil.which(_PROGRAM, path=environ.get("PATH")):
        return environ
    return {**environ, "PATH": os.pathsep.join(filter(None, [environ.get("PATH", ""), here]))}
