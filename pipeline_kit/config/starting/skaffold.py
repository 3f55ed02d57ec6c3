"""skaffold.yaml: the artifacts that are built from Dockerfiles.

Source: Skaffold documentation, "skaffold.yaml": ``build.artifacts``. A context is relative to the file, a Dockerfile to
its context.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.paths import join
from pipeline_kit.config.placeholders import escape
from pipeline_kit.config.secrecy import is_secret_name
from pipeline_kit.config.starting.found import Account, Candidate, Described
from pipeline_kit.config.starting.nodes import documents, items, mapping, text

if TYPE_CHECKING:
    from pipeline_kit.config.starting.found import FoundFile

_OTHERS = ("bazel", "buildpacks", "custom", "jib", "jibGradle", "jibMaven", "ko")
_VARIABLE = re.compile(r"\{\{\s*\.(?P<name>[A-Za-z_]\w*)\s*\}\}")


def read(file: FoundFile, account: Account) -> Described:
    """Return the artifacts of every configuration in the file; profiles and required files are not followed."""
    described = Described(file, "skaffold", is_whole=False)
    for document in documents(file.data, file.path):
        if isinstance(document, str):
            account.leave(file.path, document)
            continue
        build = mapping(document.get("build"))
        platforms = [text(item) for item in items(build.get("platforms"))]
        for artifact in map(mapping, items(build.get("artifacts"))):
            found = _Artifact(file, artifact, account).candidate(platforms)
            if found is not None:
                described.candidates.append(found)
        for profile in map(mapping, items(document.get("profiles"))):
            if mapping(profile.get("build")) or profile.get("patches"):
                account.leave(f"{file.path}: profile '{text(profile.get('name'))}'", "profiles are not followed")
        if any(mapping(required).get("path") for required in items(document.get("requires"))):
            account.leave(f"{file.path}: requires", "other skaffold files are not followed")
    return described


class _Artifact:
    def __init__(self, file: FoundFile, artifact: dict[str, Any], account: Account) -> None:
        self._file = file
        self._artifact = artifact
        self._account = account
        self._image = text(artifact.get("image"))
        self._name = local_name(self._image)
        self._base = posixpath.dirname(file.path) or "."

    def candidate(self, platforms: list[str]) -> Candidate | None:
        """Return the artifact's image, ``None`` where no Dockerfile makes it."""
        other = next((word for word in _OTHERS if word in self._artifact), None)
        if other is not None or not self._image:
            why = f"{other} builds it, not a Dockerfile" if other else "it names no image"
            self._account.leave(f"{self._file.path}: artifact '{self._image}'", why)
            return None
        docker = mapping(self._artifact.get("docker") or self._artifact.get("kaniko"))
        context = join(self._base, text(self._artifact.get("context")) or ".")
        dockerfile = join(context, text(docker.get("dockerfile")) or "Dockerfile")
        entry: dict[str, Any] = {}
        if text(docker.get("target")):
            entry["target"] = text(docker.get("target"))
        args, contexts = self._args(docker)
        own = [text(item) for item in items(self._artifact.get("platforms"))] or platforms
        found = {"args": args, "contexts": contexts, "platforms": own, "secrets": self._secrets(docker)}
        entry |= {key: value for key, value in found.items() if value}
        if docker.get("ssh"):
            entry["ssh"] = [text(docker.get("ssh")).partition("=")[0] or "default"]
        return Candidate(self._name, "skaffold", self._file.path, context, dockerfile, entry, self._image)

    def _secrets(self, docker: dict[str, Any]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for secret in map(mapping, items(docker.get("secrets"))):
            name, file, env = (text(secret.get(key)) for key in ("id", "src", "env"))
            if name:
                found[name] = {"file": join(self._base, file)} if file else {"env": env or name}
        return found

    def _args(self, docker: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Return build arguments and contexts; a required artifact's name is handed on as an argument by Skaffold."""
        args: dict[str, str] = {}
        for name, value in mapping(docker.get("buildArgs")).items():
            made = _argument(f"{{{{.{name}}}}}" if value is None else text(value))
            if made is None:
                why = "its template is not understood"
                self._account.leave(f"{self._file.path}: build argument {name} of '{self._name}'", why)
            else:
                args[name] = made
        contexts: dict[str, str] = {}
        for required in map(mapping, items(self._artifact.get("requires"))):
            image = text(required.get("image"))
            local = local_name(image)
            alias = text(required.get("alias")) or re.sub(r"[^A-Z0-9]", "_", local.upper())
            args[alias] = local
            contexts[local] = f"image:{local}"
        return args, contexts


def local_name(reference: str) -> str:
    """Return the last word of an image's repository."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _argument(value: str) -> str | None:
    """Return the template of a build argument; ``{{.NAME}}`` is an environment variable, other templates ``None``."""
    if "{{" not in value:
        return escape(value)
    parts: list[str] = []
    at = 0
    for found in _VARIABLE.finditer(value):
        if is_secret_name(found["name"]) or found["name"].startswith("IMAGE_"):
            return None
        parts += [escape(value[at : found.start()]), f"{{env.{found['name']}:-}}"]
        at = found.end()
    rest = value[at:]
    return None if "{{" in rest else "".join([*parts, escape(rest)])
