"""The digests of external images: asked once a run, or read from pipeline-kit.lock (design D4, ``bases``)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.app.keys import Bases, digest_name, hidden_args, references_of
from pipeline_kit.config import ReferenceContext
from pipeline_kit.errors import RegistryRefused, RegistryUnreachable
from pipeline_kit.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports import Observation, Registry
    from pipeline_kit.reference import Reference

_AT_ONCE = 8


def resolve_bases(all_sources: Mapping[str, ImageSources], locked: Bases, registry: Registry | None) -> Bases:
    """Return the digest of every external image that counts by digest, each asked at most once a run.

    ``locked`` is pipeline-kit.lock. Without ``registry`` (offline) whatever is neither pinned nor locked stays out.
    Raises RegistryRefused or RegistryUnreachable naming the base and who uses it.
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
            if sources.image.bases == "resolve" and _decides_reads(text, sources):
                followed[text] = reference
    silent = frozenset(f"lock:{text}" for text in locked.quiet)
    if registry is None:
        return Bases(digests, silent)
    digests |= _asked({text: item for text, item in asked.items() if text not in digests}, registry)
    quiet = _quiet({text: ref.with_digest(digests[text]) for text, ref in followed.items()}, registry)
    return Bases(digests, silent | quiet)


def _decides_reads(text: str, sources: ImageSources) -> bool:
    """Return whether ONBUILD triggers of ``text`` could use files or arguments that its Dockerfile does not name."""
    if sources.uses.reads is None and not hidden_args(sources):
        return False
    contexts = (sources.image.contexts.get(name) for name in sources.uses.context_bases)
    through = {context.reference for context in contexts if isinstance(context, ReferenceContext)}
    return text in sources.uses.external_bases or text in through


def _asked(wanted: Mapping[str, tuple[Reference, ImageConfig]], registry: Registry) -> dict[str, str]:
    if not wanted:
        return {}
    answers = registry.observe_all([reference for reference, _ in wanted.values()])
    return {
        text: _proven(text, image, answer) for (text, (_, image)), answer in zip(wanted.items(), answers, strict=True)
    }


def _quiet(pinned: Mapping[str, Reference], registry: Registry) -> frozenset[str]:
    """Return the images whose configs hold no ONBUILD triggers. Raises what the registry port raises."""
    if not pinned:
        return frozenset()
    with ThreadPoolExecutor(min(_AT_ONCE, len(pinned)), "bases") as pool:
        triggers = list(pool.map(lambda reference: has_triggers(registry, reference), pinned.values()))
    return frozenset(text for text, found in zip(pinned, triggers, strict=True) if not found)


def has_triggers(registry: Registry, pinned: Reference) -> bool:
    """Return whether an image, or any platform of an index, holds ONBUILD triggers in its config."""
    manifest = registry.manifest(pinned)
    if manifest.is_index:
        children = [child for child in manifest.children() if not child.is_attestation]
        return any(has_triggers(registry, pinned.with_digest(child.digest)) for child in children)
    config = registry.config(pinned, manifest.config_digest()).get("config")
    return bool(isinstance(config, dict) and config.get("OnBuild"))


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
