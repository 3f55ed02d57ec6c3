"""Each image as the plan sees it: where it is looked for, what the registry said there, and what that proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.sources import image_needs
from pipeline_kit.app.verification import Proven, Question, prove
from pipeline_kit.config import expand, slug
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Candidate, Verdict
from pipeline_kit.ports.registry import Observation
from pipeline_kit.reference import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.config.model import Verify
    from pipeline_kit.ports.registry import ContentRegistry, Registry

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_OFFLINE_HINT = "with bases: lock, pipeline-kit.lock knows"
_READ_AT_ONCE = 8
NOT_ASKED = Observation(Verdict.UNKNOWN, detail="offline: the registry was not asked")


def alias_tags(image: ImageConfig, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the image's aliases in this run; one without a value (a detached HEAD's branch) drops out.

    Raises InputError where an alias does not make a legal tag.
    """
    safe = {name: slug(value) for name, value in values.items()}
    found = [alias for alias in (expand(template, safe) for template in image.aliases) if alias]
    for alias in found:
        if not is_tag(alias):
            raise InputError(f"images.{image.name}.aliases: {alias!r} is not a legal tag")
    return tuple(dict.fromkeys(found))


class Place(NamedTuple):
    """A repository where an image may be, the tag it has there, and the aliases this run may move there."""

    repository: Reference
    tag: str | None
    aliases: tuple[str, ...] = ()

    @property
    def tagged(self) -> Reference | None:
        """Return the content tag, ``None`` while it is not known."""
        return self.repository.with_tag(self.tag) if self.tag else None


def places(repository: Reference, image: ImageConfig, tag: str | None, around: Surroundings) -> tuple[Place, ...]:
    """Return where to look for an image, what a trusted run wrote first; the last one is where this run writes."""
    scope = around.scope
    aliases = alias_tags(image, around.values)
    if around.is_read_only:
        return (Place(repository, tag),)
    if scope.is_trusted:
        return (Place(repository, tag, aliases),)
    lane = Reference(repository.host, scope.repository(repository.repository))
    own = Place(lane, scope.tag(tag) if tag else None, tuple(dict.fromkeys(scope.tag(alias) for alias in aliases)))
    return Place(repository, tag), own


def ask(where: Iterable[Place], registry: Registry | None) -> dict[Reference, Observation]:
    """Ask for every content tag and every alias, in one wave."""
    if registry is None:
        return {}
    wanted: list[Reference] = []
    for place in where:
        wanted += [place.tagged] if place.tagged else []
        wanted += [place.repository.with_tag(alias) for alias in place.aliases]
    return dict(zip(wanted, registry.observe_all(wanted), strict=True))


class Decider(NamedTuple):
    """Turns what the registry said about each image into a candidate."""

    level: Verify
    tagged: Tagged
    around: Surroundings
    places: Mapping[str, tuple[Place, ...]]
    asked: Mapping[Reference, Observation]
    registry: ContentRegistry | None

    def candidates(self) -> dict[str, Candidate]:
        """Return every image's candidate; what has to be read for them is read for several at a time."""
        names = list(self.places)
        if self.registry is None or len(names) == 1 or not any(map(self._reads_more, names)):
            return {name: self._candidate(name) for name in names}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(_READ_AT_ONCE, len(names)), "verify") as pool:
            return dict(zip(names, pool.map(self._candidate, names), strict=True))

    def _reads_more(self, name: str) -> bool:
        answers = ((place, self._answer(name, place)) for place in self.places[name])
        return any(
            answer.verdict is Verdict.PRESENT and self._question(name, place, answer).needs_asking
            for place, answer in answers
        )

    def _answer(self, name: str, place: Place) -> Observation:
        if not place.tag:
            return _tagless(self.tagged.keyed[name])
        return self._said(place, place.tag)

    def _said(self, place: Place, tag: str) -> Observation:
        return self.asked.get(place.repository.with_tag(tag), NOT_ASKED) if self.asked else NOT_ASKED

    def _question(self, name: str, place: Place, answer: Observation) -> Question:
        return Question(
            place.repository.with_digest(str(answer.digest)),
            answer.media_type,
            self.tagged.keyed[name].key,
            self.tagged.sources[name].image.platforms,
            self.level,
            self.around.scope,
        )

    def _found(self, name: str) -> tuple[Place, Proven]:
        """Return the first place whose image serves, else the one where this run writes.

        What is not certain anywhere stops the search: there, a trusted image may be.
        """
        *others, own = self.places[name]
        for place in others:
            proven = self._proven(name, place)
            if proven.answer.verdict is not Verdict.ABSENT and not self._missing(name, proven):
                return place, proven
        return own, self._proven(name, own)

    def _proven(self, name: str, place: Place) -> Proven:
        answer = self._answer(name, place)
        if self.registry is None or answer.verdict is not Verdict.PRESENT:
            return Proven(answer)
        return prove(self.registry, self._question(name, place, answer), answer)

    def _missing(self, name: str, proven: Proven) -> tuple[str, ...]:
        wanted, whole = self.tagged.sources[name].image.platforms, proven.platforms
        return () if whole is None else tuple(platform for platform in wanted if platform not in whole)

    def _candidate(self, name: str) -> Candidate:
        sources, keyed = self.tagged.sources[name], self.tagged.keyed[name]
        place, proven = self._found(name)
        answer = proven.answer
        at = {alias: self._said(place, alias) for alias in place.aliases}
        if self.registry is not None:
            answer = _uncertain_alias(at, answer) or answer
        return Candidate(
            name=name,
            repository=place.repository.name,
            needs=image_needs(sources.image),
            platforms=sources.image.platforms,
            key=keyed.key,
            tag=place.tag,
            verdict=answer.verdict,
            digest=answer.digest,
            present_platforms=proven.platforms or (),
            missing_platforms=self._missing(name, proven),
            detail=answer.detail,
            hint=answer.hint,
            aliases={alias: _alias_digest(found) for alias, found in at.items()},
            notes=(*(f"{platform}: {part} is gone" for platform, part in proven.gone), *_notes(sources)),
            because=keyed.because,
            is_unproven=proven.is_unproven and answer is proven.answer,
            is_asked=self.registry is not None,
        )


def _notes(sources: ImageSources) -> tuple[str, ...]:
    """Return what no digest in the key covers: files that the build fetches and nothing pins, and ``max_age``."""
    found = tuple(
        f"{sources.image.dockerfile}:{remote.line}: ADD {remote.url} has no checksum: its content is not in the tag"
        for remote in sources.uses.remotes
        if remote.checksum is None
    )
    age = sources.image.max_age
    return found if age is None else (*found, f"max_age: a new tag every {_period(age)}")


def _period(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _tagless(keyed: Keyed) -> Observation:
    if keyed.untold_bases:
        missing = f"whether {', '.join(keyed.untold_bases)} holds ONBUILD triggers is"
        return Observation(Verdict.UNKNOWN, detail=f"{missing} not known offline", hint=_OFFLINE_HINT)
    return Observation(Verdict.UNKNOWN, detail=f"digest of {', '.join(keyed.unknown_bases)} not known offline")


def _uncertain_alias(at: Mapping[str, Observation], answer: Observation) -> Observation | None:
    """Return the first denied or unknown answer about an alias: taken for absent, a newer one could be overwritten."""
    if answer.verdict not in (Verdict.PRESENT, Verdict.ABSENT):
        return None
    for alias, found in at.items():
        if found.verdict in (Verdict.DENIED, Verdict.UNKNOWN):
            return Observation(found.verdict, detail=f"alias {alias}: {found.detail}", hint=found.hint)
    return None


def _alias_digest(answer: Observation) -> str | None:
    return answer.digest if answer.verdict is Verdict.PRESENT else None
