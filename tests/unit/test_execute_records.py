"""Build records beside images, and what aliases learn from them; on the registry port in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.content_tag import KEY_LABEL, KeyInputs
from pipeline_kit.errors import RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.execute.aliases import NEWER, UNORDERED, Moved, move_again, move_aliases
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.execute.publish import Proof, publish
from pipeline_kit.execute.records import Recorder, RunFacts, alias_stamps, objection, read_records
from pipeline_kit.plan import Action, PlannedImage, Status, Verdict
from pipeline_kit.record import RECORD_TYPE, Stamp
from pipeline_kit.reference import Reference
from pipeline_kit.scopes import TRUSTED, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

HEX_KEY = "a" * 64
REPOSITORY = Reference("registry.example", "shop/api")
IMAGE = PlannedImage(
    name="api",
    action=Action.BUILD,
    verdict=Verdict.ABSENT,
    key=HEX_KEY,
    tag="a" * 40,
    repository=REPOSITORY.name,
    digest=None,
    needs=(),
    platforms=("linux/amd64",),
    missing_platforms=(),
    aliases={"main": None},
    reasons=(),
)
INPUTS = KeyInputs(dockerfile="d" * 40, platforms=("linux/amd64",))
ONE, TWO, THREE = ("1" * 40, "2" * 40, "3" * 40)


def recorder(
    registry: MemoryRegistry, commit: str = ONE, *, scope: Scope = TRUSTED, is_required: bool = False
) -> Recorder:
    """Return the recorder of a run on main; later commits have higher digits, and later times."""
    stamp = Stamp(commit, 1_700_000_000 + int(commit[0]), "refs/heads/main", "github", 10 + int(commit[0]), 1)
    facts = RunFacts(stamp, scope, "https://ci.example/1", "1.0", 1_700_000_100)
    return Recorder(registry, facts, {"api": INPUTS}, is_required=is_required)


def test_a_record_is_found_beside_its_image() -> None:
    """By its key alone; written once a run."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY)
    ours = recorder(registry)
    ours.record(IMAGE, digest, 12.5, Status.BUILT)
    found = read_records(registry, REPOSITORY.with_digest(digest), key=HEX_KEY)
    assert [(item.key, item.seconds, item.scope, item.stamp.commit) for item in found] == [
        (HEX_KEY, 12.5, "trusted", ONE)
    ]
    assert read_records(registry, REPOSITORY.with_digest(digest), key="b" * 64) == ()
    registry.calls.clear()
    ours.record(IMAGE, digest, 12.5, Status.BUILT)
    assert registry.calls == []
    assert ours.warning == ""


def test_a_registry_that_takes_no_artifacts_is_told_once() -> None:
    """No run fails for want of a record, and none is tried again and again."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY)
    registry.failures[f"attach {REPOSITORY.with_digest(digest)}"] = RegistryRefused("405 UNSUPPORTED")
    ours = recorder(registry)
    ours.record(IMAGE, digest, 1.0, Status.BUILT)
    assert ours.warning == f"no build records for this run: {REPOSITORY.name} takes none: 405 UNSUPPORTED"
    registry.calls.clear()
    ours.record(IMAGE, digest, 1.0, Status.BUILT)
    ours.stamp_alias(REPOSITORY.with_digest(digest), "main")
    assert registry.calls == []


def test_a_record_that_hits_need_must_be_written() -> None:
    """Else no later run could take the image: then nothing is tagged."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels={KEY_LABEL: HEX_KEY})
    registry.failures[f"attach {REPOSITORY.with_digest(digest)}"] = RegistryUnreachable("503")
    ours = recorder(registry, is_required=True)
    proof = Proof(lambda pushed: ours.record(IMAGE, pushed, 1.0, Status.BUILT), lambda _: "")
    with pytest.raises(RegistryUnreachable):
        publish(registry, IMAGE, digest, proof=proof)
    assert registry.tagged == {}


def test_where_hits_need_a_record_it_is_there_before_the_tag() -> None:
    """Nobody ever sees the one without the other; an index that is joined is no exception."""
    registry = MemoryRegistry()
    seen: list[tuple[int, int]] = []
    registry.before = lambda _: seen.append((len(registry.tagged), _records(registry)))
    digest = registry.put_image(REPOSITORY, labels={KEY_LABEL: HEX_KEY})
    ours = recorder(registry, is_required=True)
    publish(registry, IMAGE, digest, proof=_proof(ours))
    assert all(records for tags, records in seen if tags)
    present = str(registry.tagged[IMAGE.reference])
    both = IMAGE._replace(digest=present, platforms=("linux/amd64", "linux/arm64"), missing_platforms=("linux/arm64",))
    added = registry.put_image(REPOSITORY, labels={KEY_LABEL: HEX_KEY}, platforms=("linux/arm64",))
    done = publish(registry, both, added, proof=_proof(ours))
    assert done.status is Status.COMPLETED
    assert read_records(registry, REPOSITORY.with_digest(done.digest), key=HEX_KEY)


def _records(registry: MemoryRegistry) -> int:
    return sum(RECORD_TYPE.encode() in manifest.data for manifest in registry.manifests.values())


def _proof(ours: Recorder) -> Proof:
    return Proof(
        lambda digest: ours.record(IMAGE, digest, 1.0, Status.BUILT),
        lambda pinned: objection(ours.registry, pinned, HEX_KEY, ours.facts.scope),
    )


def test_an_image_that_appeared_meanwhile_is_taken_only_with_its_record() -> None:
    """A label proves nothing: whoever can push can write one."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels={KEY_LABEL: HEX_KEY}, content="ours")
    other = registry.put_image(REPOSITORY.with_tag("a" * 40), labels={KEY_LABEL: HEX_KEY}, content="theirs")
    ours = recorder(registry, is_required=True)
    with pytest.raises(TagConflict, match="no build record"):
        publish(registry, IMAGE, digest, proof=_proof(ours))
    recorder(registry, scope=Scope("pr-1")).record(IMAGE, other, 1.0, Status.BUILT)
    with pytest.raises(TagConflict, match="scope pr-1"):
        publish(registry, IMAGE, digest, proof=_proof(ours))
    recorder(registry).record(IMAGE, other, 1.0, Status.BUILT)
    assert publish(registry, IMAGE, digest, proof=_proof(ours)).status is Status.REUSED


def test_an_image_with_nothing_whole_is_replaced() -> None:
    """What is gone cannot be joined; its index, or its config, is not even read."""
    registry = MemoryRegistry()
    broken = registry.put_image(REPOSITORY.with_tag("a" * 40), labels={KEY_LABEL: HEX_KEY}, content="broken")
    registry.blobs.clear()
    registry.configs.clear()
    fresh = registry.put_image(REPOSITORY, labels={KEY_LABEL: HEX_KEY}, content="fresh")
    image = IMAGE._replace(digest=broken, missing_platforms=("linux/amd64",))
    done = publish(registry, image, fresh)
    assert (done.status, done.digest) == (Status.COMPLETED, fresh)
    assert registry.tagged[IMAGE.reference] == fresh
    assert publish(registry, image._replace(digest=fresh), fresh).status is Status.COMPLETED


def test_what_is_attached_and_is_no_record_is_passed_over() -> None:
    """An unreadable one, one whose manifest is gone: the good one still counts."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY)
    pinned = REPOSITORY.with_digest(digest)
    recorder(registry).record(IMAGE, digest, 1.0, Status.BUILT)
    good = registry.referrers(pinned)[0]
    registry.attach(
        pinned,
        registry.manifest(REPOSITORY.with_digest(good.digest))._replace(
            data=registry.manifest(REPOSITORY.with_digest(good.digest)).data.replace(
                b'"layers":[{', b'"layers":[],"x":[{'
            ),
        ),
    )
    registry.failures[f"manifest {REPOSITORY.with_digest(good.digest)}"] = RegistryRefused("gone")
    assert read_records(registry, pinned) == ()
    del registry.failures[f"manifest {REPOSITORY.with_digest(good.digest)}"]
    assert len(read_records(registry, pinned)) == 1
    assert objection(registry, pinned, HEX_KEY, TRUSTED) == ""


@dataclass
class Line:
    """A branch whose runs see no history, as in shallow clones; ``images`` by content."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)

    def image(self, content: str, commit: str, *, recorded: bool = True) -> str:
        """Return the digest of an image that a run on ``commit`` has built."""
        labels = {KEY_LABEL: HEX_KEY, REVISION_LABEL: commit}
        digest = self.registry.put_image(REPOSITORY, labels=labels, content=content)
        if recorded:
            recorder(self.registry, commit).record(IMAGE, digest, 1.0, Status.BUILT)
        return digest

    def move(
        self,
        digest: str,
        commit: str,
        *,
        is_newer: Callable[[str], bool | None] = lambda _: None,
        is_ours: bool = False,
        force: bool = False,
    ) -> Moved:
        """Let a run on ``commit`` move main to ``digest``."""
        found = move_aliases(
            self.registry,
            IMAGE,
            digest,
            is_newer=is_newer,
            recorder=recorder(self.registry, commit),
            is_ours=is_ours,
            force=force,
        )
        return found[0]

    @property
    def main(self) -> str | None:
        """Return what the alias names."""
        return self.registry.tagged.get(f"{REPOSITORY.name}:main")


def test_a_late_run_leaves_the_alias_where_a_newer_commit_put_it() -> None:
    """Without any history: the build record's commit time tells."""
    line = Line()
    old, new = line.image("old", ONE), line.image("new", TWO)
    assert line.move(new, TWO, is_ours=True).state == "moved"
    assert alias_stamps(line.registry, REPOSITORY.with_digest(new), "main") == ()
    late = line.move(old, ONE, is_ours=True)
    assert (late.state, late.detail, line.main) == ("skipped", NEWER, new)
    assert line.move(old, ONE, force=True).state == "moved"
    assert line.main == old
    assert line.move(new, TWO, is_ours=True) == Moved("main", "moved")


def test_an_image_built_long_ago_is_held_by_the_commit_that_it_was_moved_for() -> None:
    """Three reverts two: main names the first image again, and the second run comes late."""
    line = Line()
    first, second = line.image("first", ONE), line.image("second", TWO)
    assert line.move(first, ONE, is_ours=True).state == "moved"
    assert line.move(first, THREE) == Moved("main", "unchanged")
    assert line.move(second, TWO, is_ours=True).state == "moved"
    assert line.move(first, THREE) == Moved("main", "moved")
    late = line.move(second, TWO, is_ours=True)
    assert (late.state, line.main) == ("skipped", first)


def test_git_s_history_counts_more_than_what_runs_left() -> None:
    """Times lie where clocks do."""
    line = Line()
    old, new = line.image("old", ONE), line.image("new", TWO)
    line.move(new, TWO, is_ours=True)
    assert line.move(old, ONE, is_newer=lambda _: False).state == "moved"
    assert line.move(new, TWO, is_newer=lambda commit: commit == ONE).state == "skipped"


def test_where_no_order_is_known_the_alias_moves_and_says_so() -> None:
    """An image without a record, of a commit that is not here."""
    line = Line()
    old, new = line.image("old", ONE, recorded=False), line.image("new", TWO, recorded=False)
    line.move(old, ONE, is_ours=True)
    assert line.move(new, TWO, is_ours=True) == Moved("main", "moved", UNORDERED)
    assert line.main == new


def test_a_registry_without_referrers_holds_nothing_by_records() -> None:
    """It refuses the question; the label is asked all the same."""
    line = Line()
    old, new = line.image("old", ONE, recorded=False), line.image("new", TWO, recorded=False)
    line.move(new, TWO, is_ours=True)
    line.registry.failures[f"referrers {REPOSITORY.with_digest(new)}"] = RegistryRefused("404")
    assert line.move(old, ONE, is_newer=lambda commit: commit == TWO).state == "skipped"
    assert line.move(old, ONE) == Moved("main", "moved", UNORDERED)


def test_a_question_without_an_answer_moves_nothing() -> None:
    """Unknown is not older."""
    line = Line()
    old, new = line.image("old", ONE), line.image("new", TWO)
    line.move(new, TWO, is_ours=True)
    line.registry.failures[f"referrers {REPOSITORY.with_digest(new)}"] = RegistryUnreachable("503")
    assert line.move(old, ONE).state == "failed"
    assert line.main == new


def test_an_alias_that_moves_while_it_is_looked_at_is_looked_at_again() -> None:
    """A newer run writes between the look and the PUT of an older one: the older one gives way."""
    line = Line()
    start, old, new = line.image("start", ONE), line.image("old", TWO), line.image("new", THREE)
    line.move(start, ONE, is_ours=True)
    reads = f"manifest {REPOSITORY.with_digest(old)}"

    def overtake(call: str) -> None:
        if call == reads:
            line.registry.tagged[f"{REPOSITORY.name}:main"] = new

    line.registry.before = overtake
    assert line.move(old, TWO, is_ours=True).state == "skipped"
    assert line.main == new


def test_an_older_run_that_writes_last_is_put_right() -> None:
    """Registries cannot compare and swap, so the newer run looks once more; unordered runs do not fight."""
    line = Line()
    old, new = line.image("old", ONE), line.image("new", TWO)
    moved = line.move(new, TWO, is_ours=True)
    line.registry.tagged[f"{REPOSITORY.name}:main"] = old
    ours = recorder(line.registry, TWO)
    again = move_again(line.registry, IMAGE, new, moved, is_newer=lambda _: None, recorder=ours)
    assert (again.state, line.main) == ("moved", new)
    odd = line.image("odd", THREE, recorded=False)
    line.registry.tagged[f"{REPOSITORY.name}:main"] = odd
    left = move_again(line.registry, IMAGE, new, moved, is_newer=lambda _: None, recorder=ours)
    assert (left.state, line.main) == ("skipped", odd)
    newest = line.image("newest", THREE)
    line.registry.tagged[f"{REPOSITORY.name}:main"] = newest
    held = move_again(line.registry, IMAGE, new, moved, is_newer=lambda _: None, recorder=ours)
    assert (held.state, held.detail, line.main) == ("skipped", NEWER, newest)
