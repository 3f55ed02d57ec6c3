"""Join what runners of several platforms have pushed into one index (designs D2 and D11).

``build --platform P`` pushes by digest and lets a staging tag, the content tag with the platform behind it, name the
result. Joining is the last step of such a build, so :class:`Joiner` takes the builder's place in a run: it makes the
whole image out of its platforms, and the run publishes, records and aliases it as any other.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import TagConflict
from pipeline_kit.execute.labels import key_of
from pipeline_kit.execute.publish import index_children, require_certain
from pipeline_kit.manifest import OCI_INDEX, Descriptor, join_index
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome, BuildRequest
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.ports.registry import Registry
    from pipeline_kit.reference import Reference

_AT_ONCE = 8
_ABOUT = "vnd.docker.reference.digest"
"""Annotation of BuildKit's attestation manifests: the digest of the image they speak about."""


def staging_tag(tag: str, *platforms: str) -> str:
    """Return the tag that platforms of an image have while the image is not whole: ``TAG-linux-arm64``."""
    return "-".join((tag, *(platform.replace("/", "-") for platform in platforms)))


def _trusts_all(pinned: Reference, key: str) -> str:
    del pinned, key
    return ""


class Joiner:
    """A builder that builds nothing: it joins platforms that are in the registry under staging tags.

    ``objection`` says why an image (by digest) is not to be trusted for a key, ``""`` when it is.
    """

    def __init__(self, registry: Registry, objection: Callable[[Reference, str], str] = _trusts_all) -> None:
        self._registry = registry
        self._objection = objection

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Join every request's platforms; an image that lacks one fails. Nothing is tagged here.

        Raises TagConflict for a staged image of another key, RegistryRefused and RegistryUnreachable.
        """
        del push
        wanted = [(request, platform) for request in requests for platform in request.platforms]
        places = [_place(request, platform) for request, platform in wanted]
        answers = self._registry.observe_all(places)
        found: dict[str, dict[str, str | None]] = {request.name: {} for request in requests}
        for (request, platform), place, answer in zip(wanted, places, answers, strict=True):
            require_certain(answer, place)
            found[request.name][platform] = answer.digest if answer.verdict is Verdict.PRESENT else None
        with ThreadPoolExecutor(_AT_ONCE, "join") as pool:
            outcomes = list(pool.map(lambda request: self._join(request, found[request.name], on_event), requests))
        return {outcome.name: outcome for outcome in outcomes}

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Never needed: what :meth:`build` makes is in the registry."""
        del on_event
        raise TagConflict(f"{request.name}: a joined image is not local")

    def _join(
        self, request: BuildRequest, staged: Mapping[str, str | None], on_event: Callable[[BuildEvent], None]
    ) -> BuildOutcome:
        if None in staged.values():
            staged = {**staged, **self._held(request, staged)}
        absent = [platform for platform, digest in staged.items() if digest is None]
        if absent:
            told = "; ".join(f"pipeline-kit build --platform {platform} {request.name}" for platform in absent)
            on_event(BuildEvent(request.name, "failed", ""))
            return BuildOutcome(request.name, error=f"not pushed yet: {', '.join(absent)} (first, there: {told})")
        began = time.monotonic()
        on_event(BuildEvent(request.name, "start", f"join {', '.join(staged)}"))
        repository = parse_reference(request.repository)
        images: list[tuple[Descriptor, dict[str, Any]]] = []
        attestations: list[tuple[Descriptor, dict[str, Any]]] = []
        for platform, digest in staged.items():
            own, about = self._part(request, repository.with_digest(str(digest)), platform)
            images.append(own)
            attestations += about
        index = join_index(OCI_INDEX, [*images, *attestations])
        self._registry.put_manifest(repository.with_digest(index.digest), index)
        seconds = time.monotonic() - began
        on_event(BuildEvent(request.name, "done", "", seconds))
        return BuildOutcome(request.name, index.digest, seconds=seconds)

    def _held(self, request: BuildRequest, staged: Mapping[str, str | None]) -> dict[str, str]:
        """Return the platforms that are not staged and that the content tag's image holds already, with its digest."""
        tagged = parse_reference(request.repository).with_tag(request.content_tag)
        answer = self._registry.observe(tagged)
        require_certain(answer, tagged)
        if answer.digest is None:
            return {}
        children = index_children(self._registry, tagged.with_digest(answer.digest))
        return {child.platform: answer.digest for child, _ in children if staged.get(child.platform, "") is None}

    def _part(
        self, request: BuildRequest, pinned: Reference, platform: str
    ) -> tuple[tuple[Descriptor, dict[str, Any]], list[tuple[Descriptor, dict[str, Any]]]]:
        """Return a staged image's descriptor and those of its attestations. Raises TagConflict for another image."""
        key = request.labels[KEY_LABEL]
        place = _place(request, platform)
        children = index_children(self._registry, pinned)
        own = next((child for child in children if child[0].platform == platform), None)
        if own is None:
            raise TagConflict(f"{place} holds {pinned.digest}, which is not for {platform}", hint=_hint(request))
        image = pinned.with_digest(own[0].digest)
        if key_of(self._registry, image, self._registry.manifest(image)) != key:
            raise TagConflict(f"{place} holds {pinned.digest}, which was not built for this key", hint=_hint(request))
        why = self._objection(pinned, key)
        if why:
            raise TagConflict(f"{place} holds {pinned.digest}, and {why}", hint=_hint(request))
        about = [child for child in children if dict(child[0].annotations).get(_ABOUT) == own[0].digest]
        return own, about


def _place(request: BuildRequest, platform: str) -> Reference:
    return parse_reference(request.repository).with_tag(staging_tag(request.content_tag, platform))


def _hint(request: BuildRequest) -> str:
    return f"find out who pushed it, delete that tag, then build {request.name} for that platform again"


_conforms: type[Builder] = Joiner
