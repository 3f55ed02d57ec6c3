"""The next step for people, where a registry of the field refuses or lacks a repository: each needs another one.

Sources: the registries' own documentation; docs/registries.md has a row for each. Many registries say "denied" of what
does not exist, so every hint about access names both.
"""

from __future__ import annotations

import re

from pipeline_kit.adapters.aws.ecr import PUBLIC_HOST, is_ecr_host
from pipeline_kit.reference import DEFAULT_HOST

_ARTIFACT_REGISTRY_RE = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev")
_HOW: dict[str, str] = {
    DEFAULT_HOST: "create it at hub.docker.com, which also answers so for a repository that does not exist",
    "quay.io": "create it at quay.io/new, which also answers so for a repository that does not exist",
    "ghcr.io": "give the job `permissions: packages: write`, and this repository access in the package's settings",
}


def creates_on_push(host: str) -> bool:
    """Return whether a push to ``host`` makes a repository that does not exist; for unknown registries it does."""
    return not is_ecr_host(host) and _ARTIFACT_REGISTRY_RE.fullmatch(host) is None


def create_hint(host: str, repository: str) -> str:
    """Return how to make ``repository``, for a registry that said that it does not exist."""
    if host == PUBLIC_HOST:
        name = repository.partition("/")[2] or repository
        return f"create it: aws ecr-public create-repository --region us-east-1 --repository-name {name}"
    if is_ecr_host(host):
        return f"create it: aws ecr create-repository --repository-name {repository}"
    found = _ARTIFACT_REGISTRY_RE.fullmatch(host)
    if found is not None:
        project, _, name = repository.partition("/")
        name = name.partition("/")[0]
        return (
            f"create it: gcloud artifacts repositories create {name} --project={project}"
            f" --location={found['location']} --repository-format=docker"
        )
    return _HOW.get(host, f"create the project {repository.partition('/')[0]} there")


def login_hint(host: str, repository: str) -> str:
    """Return the next step after a 401: log in, or make what may only be missing."""
    return f"log in: pipeline-kit login {host}; or, if that is done: {_access(host, repository)}"


def access_hint(host: str, repository: str) -> str:
    """Return the next step after a 403, which is about what the login may do, or about there being a login at all."""
    return f"{_access(host, repository)}; or log in as another: pipeline-kit login {host}"


def _access(host: str, repository: str) -> str:
    if host in _HOW:
        return _HOW[host]
    name = f"{host}/{repository}" if repository else host
    made = f" ({create_hint(host, repository)})" if not creates_on_push(host) and repository else ""
    return f"these credentials may not do this to {name}, or it does not exist{made}"
