"""The digests of external images: asked once a run, or read from pipeline-kit.lock (design D4, ``bases``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.keys import Bases, built_upon, digest_name, references_of
from pipeline_kit.app.triggers import refuse_images
from pipeline_kit.errors import RegistryRefused, RegistryUnreachable
from pipeline_kit.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports.registry import Observation, Registry
    from pipeline_kit.reference import Reference

_AT_ONCE = 8


def resolve_bases(
    all_sources: Mapping[str, ImageSources], locked: Bases, open_registry: Callable[[], Registry] | None
) -> Bases:
    """Return the digest of every external image that counts by digest, each asked at most once a run.

    ``locked`` is pipeline-kit.lock. Without ``open_registry`` (offline) whatever is neither pinned nor locked stays
    out, and whose triggers are not known is said; it is called only where something has to be asked.
    Raises RegistryRefused or RegistryUnreachable naming the base and who uses it, and DockerfileError for a base whose
    triggers bring images of their own.
    """
    digests: dict[str, str] = {}
    asked: dict[str, tuple[Reference, ImageConfig]] = {}
    followed: dict[str, Reference] = {}
    for sources in all_sources.values():
        for text, reference in references_of(sources).items():
            if sources.image.bases == "lock" and not reference.digest:
                digests[digest_name(text, sources.image)] = _locked(text, locked.digests, sources.image)
                continue
            if reference.digest:
                digests[text] = reference.digest
            elif sources.image.bases == "resolve":
                asked[text] = (reference, sources.image)
            if sources.image.bases == "resolve" and text in built_upon(sources):
                followed[text] = reference
    silent = frozenset(f"lock:{text}" for text in locked.quiet)
    if open_registry is None:
        return Bases(digests, silent, frozenset(followed))
    if not asked and not followed:
        return Bases(digests, silent)
    registry = open_registry()
    digests |= _asked({text: item for text, item in asked.items() if text not in digests}, registry)
    quiet = _quiet({text: ref.with_digest(digests[text]) for text, ref in followed.items()}, registry)
    return Bases(digests, silent | quiet)


def _asked(wanted: Mapping[str, tuple[Reference, ImageConfig]], registry: Registry) -> dict[str, str]:
    if not wanted:
        return {}
    answers = registry.observe_all([reference for reference, _ in wanted.values()])
    return {
        text: _proven(text, image, answer) for (text, (_, image)), answer in zip(wanted.items(), answers, strict=True)
    }


def _quiet(pinned: Mapping[str, Reference], registry: Registry) -> frozenset[str]:
    """Return the images whose configs hold no ONBUILD triggers.

    Raises DockerfileError for a trigger that brings an image of its own, and what the registry port raises.
    """
    if not pinned:
        return frozenset()
    from concurrent.futures import ThreadPoolExecutor  # brings logging, which nothing else on the way to a tag needs

    with ThreadPoolExecutor(min(_AT_ONCE, len(pinned)), "bases") as pool:
        found = list(pool.map(lambda reference: triggers(registry, reference), pinned.values()))
    for text, its in zip(pinned, found, strict=True):
        refuse_images(f"base image {text}", its)
    return frozenset(text for text, its in zip(pinned, found, strict=True) if not its)


def triggers(registry: Registry, pinned: Reference) -> tuple[str, ...]:
    """Return the ONBUILD triggers in the config of an image, of an index those of all its platforms."""
    manifest = registry.manifest(pinned)
    if manifest.is_index:
        children = [child for child in manifest.children() if not child.is_attestation]
        return tuple(text for child in children for text in triggers(registry, pinned.with_digest(child.digest)))
    config = registry.config(pinned, manifest.config_digest()).get("config")
    found = config.get("OnBuild") if isinstance(config, dict) else None
    return tuple(str(text) for text in found) if isinstance(found, list) else ()


def _locked(text: str, locked: Mapping[str, str], image: ImageConfig) -> str:
    if text not in locked:
        raise RegistryRefused(
            f"base image {text} of {image.name} is not in pipeline-kit.lock", hint="run: pipeline-kit lock"
        )
    return locked[text]


def _proven(text: str, image: ImageConfig, answer: Observation) -> str:
    if answer.verdict is Verdict.PRESENT and answer.digest:
        return answer.digest
    what = f"base image {text} of {image.name}"
    if answer.verdict is Verdict.ABSENT:
        raise RegistryRefused(f"{what} does not exist", hint=f"see {image.dockerfile}")
    if answer.verdict is Verdict.DENIED:
        raise RegistryRefused(f"{what}: {answer.detail}", hint=answer.hint or "log in to its registry")
    raise RegistryUnreachable(f"{what}: {answer.detail}", hint=answer.hint or "try again, or use bases: lock")
