"""BuildKit's layer cache: where each CI keeps it (design D6). A cache is a help, never a truth: errors are ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config import slug
from pipeline_kit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config import ImageConfig

_GITHUB_TOKEN = "ACTIONS_RUNTIME_TOKEN"  # noqa: S105 - the variable's name, not its value
_DEFAULT_BRANCHES = ("main", "master")


def cache_options(
    image: ImageConfig,
    repository: str,
    *,
    provider: str,
    branch: str,
    environ: Mapping[str, str],
    trusted: str = "",
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ``(cache_from, cache_to)`` for one image, in buildx's own syntax.

    ``trusted`` is where trusted runs keep theirs, if not in ``repository``: it is read as well, and never written.

    Raises InputError for a kind that needs more than its name.
    """
    mode = image.cache.mode
    if mode == "custom":
        return image.cache.from_, image.cache.to
    if mode == "auto":
        mode = _automatic(provider, environ)
    if mode in ("none", ""):
        return (), ()
    if mode == "inline":
        both = dict.fromkeys(name for name in (repository, trusted) if name)
        return tuple(f"type=registry,ref={name}:buildcache" for name in both), ("type=inline",)
    branches = tuple(dict.fromkeys(slug(name) for name in (branch, *_DEFAULT_BRANCHES) if name))
    if mode == "gha":
        scopes = [f"type=gha,scope={image.name}-{name}" for name in branches]
        return tuple(scopes), (f"{scopes[0]},mode=max,ignore-error=true",)
    if mode == "registry":
        refs = [f"type=registry,ref={repository}:buildcache-{name}" for name in branches]
        refs += [f"type=registry,ref={trusted}:buildcache-{name}" for name in _DEFAULT_BRANCHES if trusted]
        to = f"{refs[0]},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
        return tuple(refs), (to,)
    if mode == "local":
        place = f"{environ.get('XDG_CACHE_HOME') or environ.get('HOME', '/tmp') + '/.cache'}/pipeline-kit/{image.name}"  # noqa: S108 - only where there is no home
        return (f"type=local,src={place}",), (f"type=local,dest={place},mode=max,ignore-error=true",)
    raise InputError(
        f"images.{image.name}.cache: {mode} needs more than its name",
        hint="write cache: {to: ['type=s3,…'], from: ['type=s3,…']}",
    )


def _automatic(provider: str, environ: Mapping[str, str]) -> str:
    if provider == "github":
        return "gha" if environ.get(_GITHUB_TOKEN) else "none"
    return "registry" if provider in ("codebuild", "codepipeline") else "none"
