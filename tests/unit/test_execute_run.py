from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from fakes.build_requests import request_for
from fakes.fake_builder import FakeBuilder
from fakes.fake_clock import FakeClock
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import EngineUnreachable, Interrupted, PushFailed, RegistryRefused, RegistryUnreachable
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.execute.run import LONGEST_WAIT, SETTLE_SECONDS, Run, digests
from pipeline_kit.plan import Action, Candidate, Plan, Status, Verdict, decide
from pipeline_kit.ports.registry import Observation
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.ports.builder import BuildEvent, BuildOutcome, BuildRequest

HOST = "registry.example"
OLD, NEW = "1" * 40, "2" * 40


def repository(name: str) -> Reference:
    """Return the repository of an image."""
    return Reference(HOST, f"shop/{name}")


def tagged(name: str) -> Reference:
    """Return an image's content tag."""
    return repository(name).with_tag(name[0] * 40)


@dataclass
class World:
    """A registry, and the images ``base``, ``api`` (builds upon base) and ``web`` (does not)."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    aliases: tuple[str, ...] = ()
    events: list[BuildEvent] = field(default_factory=list)

    def plan(self, *, force: bool = False) -> Plan:
        """Ask and decide, as the app does."""
        found = {}
        for name in ("base", "api", "web"):
            answer = self.registry.observe(tagged(name))
            found[name] = Candidate(
                name=name,
                repository=repository(name).name,
                needs=("base",) if name == "api" else (),
                platforms=("linux/amd64",),
                key=name[0] * 64,
                tag=name[0] * 40,
                verdict=answer.verdict,
                digest=answer.digest,
                aliases={alias: self.registry.tagged.get(f"{repository(name)}:{alias}") for alias in self.aliases},
            )
        return decide(found, wanted=tuple(found), force=force)

    def run(
        self,
        builder: FakeBuilder,
        *,
        push: bool = True,
        force: bool = False,
        changed: Callable[[], Collection[str]] = tuple,
        is_newer: Callable[[str], bool | None] = lambda _: None,
        pause: Callable[[float], None] = lambda _: None,
    ) -> Run:
        """Plan, build, move aliases."""
        plan = self.plan(force=force)
        run = Run(plan, self.registry, push=push, force=force, pause=pause)
        if plan.builds:
            run.build(builder, self.requests(plan), recheck=changed, on_event=self.events.append)
        if push:
            run.move_aliases(is_newer)
        return run

    def requests(self, plan: Plan) -> list[BuildRequest]:
        """Return what would be built."""
        return [
            request_for(
                image,
                contexts={
                    need: f"target:{need}" for need in image.needs if plan.images[need].action is not Action.SKIP
                },
                labels={KEY_LABEL: str(image.key), REVISION_LABEL: OLD},
            )
            for image in plan.builds
        ]

    def alias(self, name: str, alias: str = "main") -> str | None:
        """Return the digest an alias names."""
        return self.registry.tagged.get(f"{repository(name)}:{alias}")


@pytest.fixture
def world() -> World:
    """Return an empty registry and an alias ``main`` for each image."""
    return World(aliases=("main",))


def statuses(run: Run) -> dict[str, str]:
    """Return what became of each image, as words."""
    return {name: outcome.status.value for name, outcome in run.outcomes.items()}


@pytest.mark.parametrize("is_local", [False, True], ids=["by digest", "by tag"])
def test_everything_missing_is_built_tagged_and_aliased(world: World, *, is_local: bool) -> None:
    """The whole job; then a second run builds nothing, puts nothing and moves nothing."""
    builder = FakeBuilder(world.registry, is_local=is_local)
    run = world.run(builder)
    assert statuses(run) == {"base": "built", "web": "built", "api": "built"}
    assert run.exit_code == 0
    assert builder.built == ["base", "web", "api"]
    for name, digest in digests(run.outcomes).items():
        assert world.registry.tagged[str(tagged(name))] == digest == world.alias(name)
        assert [moved.state for moved in run.outcomes[name].aliases] == ["moved"]
    assert run.outcomes["api"].seconds == 2.0
    building, publishing = run.outcomes["api"].steps
    assert building == ("build", run.outcomes["api"].started, 2.0)
    assert publishing.name == "publish"
    assert publishing.started >= 0
    assert publishing.seconds >= 0
    world.registry.calls.clear()
    again = world.run(builder)
    assert statuses(again) == {"base": "skipped", "web": "skipped", "api": "skipped"}
    assert digests(again.outcomes) == digests(run.outcomes)
    assert {moved.state for outcome in again.outcomes.values() for moved in outcome.aliases} == {"unchanged"}
    assert len(world.registry.calls) == 3
    assert builder.built == ["base", "web", "api"]


def test_aliases_move_after_every_content_tag(world: World) -> None:
    """No alias moves while anything else may still fail."""
    world.run(FakeBuilder(world.registry))
    puts = [call for call in world.registry.calls if call.startswith("put")]
    assert [":main" in call for call in puts] == [False, False, False, True, True, True]


def test_a_failed_image_stops_only_what_builds_upon_it(world: World) -> None:
    """The rest is built and tagged; no alias moves at all; the exit code says that work failed."""
    run = world.run(FakeBuilder(world.registry, failing={"base": "RUN false: exit 1"}))
    assert statuses(run) == {"base": "failed", "web": "built", "api": "blocked"}
    assert run.exit_code == 1
    assert run.outcomes["base"].error == "RUN false: exit 1"
    assert run.outcomes["base"].log_tail == ("boom",)
    assert run.outcomes["api"].error == "base failed"
    assert set(world.registry.tagged) == {str(tagged("web"))}


def test_running_again_after_a_failure_continues(world: World) -> None:
    """What was done is skipped, what failed is built, and now the aliases move."""
    world.run(FakeBuilder(world.registry, failing={"api": "broken"}))
    builder = FakeBuilder(world.registry)
    run = world.run(builder)
    assert statuses(run) == {"base": "skipped", "web": "skipped", "api": "built"}
    assert builder.built == ["api"]
    assert all(world.alias(name) for name in ("base", "api", "web"))


@pytest.mark.parametrize("is_local", [False, True], ids=["by digest", "by tag"])
def test_an_image_that_another_runner_pushed_meanwhile_is_reused(world: World, *, is_local: bool) -> None:
    """Same key, other bytes: both runners end with the other's digest, and aliases go there too."""
    other = ""

    def race() -> None:
        nonlocal other
        other = world.registry.put_image(tagged("base"), labels={KEY_LABEL: "b" * 64}, content="elsewhere")

    builder = FakeBuilder(world.registry, is_local=is_local, meanwhile=race)
    run = world.run(builder)
    assert statuses(run) == {"base": "reused", "web": "built", "api": "built"}
    assert run.outcomes["base"].digest == other == world.alias("base")
    assert run.exit_code == 0
    if is_local:
        assert str(tagged("base")) not in builder.pushed


def test_another_image_under_a_content_tag_is_a_conflict(world: World) -> None:
    """Exit 6, the tag is left alone, nothing moves."""
    foreign = ""

    def race() -> None:
        nonlocal foreign
        foreign = world.registry.put_image(tagged("base"), content="foreign")

    run = world.run(FakeBuilder(world.registry, meanwhile=race))
    assert run.exit_code == 6
    assert statuses(run)["base"] == "failed"
    assert "delete that tag" in run.outcomes["base"].error
    assert world.registry.tagged[str(tagged("base"))] == foreign
    assert world.alias("web") is None


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.DENIED, 3), (Verdict.UNKNOWN, 4)])
def test_a_registry_that_turns_uncertain_after_the_build(world: World, verdict: Verdict, code: int) -> None:
    """The image is not tagged, the others are, no alias moves, and the exit code tells which it was."""

    def turn() -> None:
        world.registry.answers[str(tagged("base"))] = Observation(verdict, detail="no more", hint="log in")

    run = world.run(FakeBuilder(world.registry, meanwhile=turn))
    assert run.exit_code == code
    assert "no more (log in)" in run.outcomes["base"].error
    assert set(world.registry.tagged) == {str(tagged("web")), str(tagged("api"))}


def test_a_failed_push_is_the_image_s_failure(world: World) -> None:
    """Exit 1 and the message; the others go on."""
    builder = FakeBuilder(world.registry, is_local=True, push_failures={"web": PushFailed("blob upload: HTTP 500")})
    run = world.run(builder)
    assert statuses(run) == {"base": "built", "web": "failed", "api": "built"}
    assert (run.exit_code, run.outcomes["web"].error) == (1, "blob upload: HTTP 500")


def test_files_that_changed_during_the_build_are_not_tagged(world: World) -> None:
    """The image may hold other bytes than its key says: exit 5, and the others are published."""
    run = world.run(FakeBuilder(world.registry), changed=lambda: ("api",))
    assert statuses(run) == {"base": "built", "web": "built", "api": "failed"}
    assert run.exit_code == 5
    assert str(tagged("api")) not in world.registry.tagged


def test_nothing_is_read_again_when_nothing_was_built(world: World) -> None:
    """With every image failed there is nothing to doubt."""
    asked: list[str] = []

    def recheck() -> tuple[str, ...]:
        asked.append("asked")
        return ()

    world.run(FakeBuilder(world.registry, failing=dict.fromkeys(("base", "web"), "x")), changed=recheck)
    assert asked == []


def test_without_push_nothing_reaches_the_registry(world: World) -> None:
    """The images are built, and that is all."""
    run = world.run(FakeBuilder(world.registry), push=False)
    assert statuses(run) == {"base": "built", "web": "built", "api": "built"}
    assert digests(run.outcomes) == {}
    assert (world.registry.tagged, world.registry.manifests) == ({}, {})


def test_force_builds_again_and_overwrites(world: World) -> None:
    """Even what is present and equal in key."""
    world.run(FakeBuilder(world.registry))
    before = dict(world.registry.tagged)
    run = world.run(FakeBuilder(world.registry, content="rebuilt"), force=True)
    assert set(statuses(run).values()) == {"built"}
    assert all(world.registry.tagged[reference] != digest for reference, digest in before.items())


@pytest.mark.parametrize("signal_number", [2, 15])
def test_an_interruption_goes_through_whatever_turns_failures_into_outcomes(world: World, signal_number: int) -> None:
    """While publishing: it reaches the caller, what it hit stays undone, what was done stands in the outcomes."""
    world.registry.failures[f"put {tagged('web')}"] = Interrupted(signal_number)
    plan = world.plan()
    run = Run(plan, world.registry)
    with pytest.raises(Interrupted) as caught:
        run.build(FakeBuilder(world.registry), world.requests(plan), recheck=tuple, on_event=world.events.append)
    assert caught.value.exit_code == 128 + signal_number
    assert (statuses(run)["base"], statuses(run)["web"]) == ("built", "blocked")
    assert run.outcomes["web"].error == "not reached"
    assert str(tagged("base")) in world.registry.tagged
    assert str(tagged("web")) not in world.registry.tagged


def test_an_interruption_between_aliases_moves_no_further_one(world: World) -> None:
    """The signal is not taken for one alias's failure."""
    world.registry.failures[f"put {repository('web').with_tag('main')}"] = Interrupted(2)
    with pytest.raises(Interrupted):
        world.run(FakeBuilder(world.registry))
    assert world.alias("base")
    assert world.alias("api") is None


def test_an_engine_that_does_not_answer_rises(world: World) -> None:
    """Nothing was built, so there is nothing to report."""

    def gone() -> None:
        raise EngineUnreachable("no engine")

    with pytest.raises(EngineUnreachable):
        world.run(FakeBuilder(world.registry, meanwhile=gone))


def held(world: World, revision: str) -> str:
    """Let ``main`` of base name an image of another commit; return its digest."""
    return world.registry.put_image(
        repository("base").with_tag("main"), labels={REVISION_LABEL: revision}, content="other commit"
    )


@pytest.mark.parametrize(
    ("newer", "force", "state"),
    [(True, False, "skipped"), (True, True, "moved"), (False, False, "moved"), (None, False, "moved")],
)
def test_an_alias_never_goes_backwards(world: World, newer: bool | None, force: bool, state: str) -> None:
    """An alias on an image of a newer commit stays, unless forced; that is no failure."""
    other = held(world, NEW)
    run = world.run(
        FakeBuilder(world.registry), force=force, is_newer=lambda revision: newer if revision == NEW else None
    )
    (moved,) = run.outcomes["base"].aliases
    assert moved.state == state
    assert (world.alias("base") == other) is (state == "skipped")
    assert run.exit_code == 0
    assert world.alias("web") == run.outcomes["web"].digest


def test_an_alias_that_a_newer_run_moved_since_the_plan_stays(world: World) -> None:
    """The alias is asked again just before it moves: at the time of the plan it did not exist."""

    def move() -> None:
        held(world, NEW)

    run = world.run(FakeBuilder(world.registry, meanwhile=move), is_newer=lambda revision: revision == NEW)
    assert [moved.state for moved in run.outcomes["base"].aliases] == ["skipped"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Return the time that a run takes: none that a test does not let pass."""
    made = FakeClock()
    monkeypatch.setattr("pipeline_kit.execute.run.time", made)
    return made


@pytest.mark.usefixtures("clock")
def test_aliases_are_looked_at_until_they_are_left_alone(world: World) -> None:
    """Older runs that had looked before may write one after the other; the newer run outlasts them."""
    waits: list[float] = []
    world.run(FakeBuilder(world.registry))
    del world.registry.tagged[f"{repository('base')}:main"]
    older = world.registry.put_image(repository("base"), labels={REVISION_LABEL: NEW}, content="older")

    def overwrite(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) <= 6:
            world.registry.tagged[f"{repository('base')}:main"] = older

    run = world.run(FakeBuilder(world.registry), is_newer=lambda _: False, pause=overwrite)
    assert world.alias("base") == run.outcomes["base"].digest
    assert waits == [SETTLE_SECONDS] * 7


@pytest.mark.parametrize(("call_takes", "wait"), [(0.01, SETTLE_SECONDS), (0.25, 1.5), (30.0, LONGEST_WAIT)])
def test_the_slower_aliases_move_the_longer_later_they_are_looked_at(
    world: World, clock: FakeClock, call_takes: float, wait: float
) -> None:
    """Where two looks and a write take long, those of other runs do too: twice that, within bounds."""
    waits: list[float] = []

    def slow(call: str) -> None:
        if call.endswith(":main"):
            clock.sleep(call_takes)

    world.run(FakeBuilder(world.registry))
    for name in ("base", "api", "web"):
        del world.registry.tagged[f"{repository(name)}:main"]
    world.registry.before = slow
    run = world.run(FakeBuilder(world.registry), pause=waits.append)
    assert run.outcomes["base"].aliases[0].state == "moved"
    assert waits == [pytest.approx(wait)]


def test_an_alias_on_an_image_without_labels_moves(world: World) -> None:
    """Nothing says that it is newer."""
    world.registry.put_image(repository("base").with_tag("main"), content="no labels")
    run = world.run(FakeBuilder(world.registry), is_newer=lambda _: True)
    assert [moved.state for moved in run.outcomes["base"].aliases] == ["moved"]


def test_an_alias_stays_where_its_image_cannot_be_asked(world: World) -> None:
    """Whether it is newer is not known: exit 4, told, not moved; the others are."""
    other = held(world, NEW)
    world.registry.failures[f"manifest {repository('base').with_digest(other)}"] = RegistryUnreachable("HTTP 500")
    run = world.run(FakeBuilder(world.registry))
    (failed,) = run.outcomes["base"].aliases
    assert (failed.state, failed.detail, run.exit_code) == ("failed", "HTTP 500", 4)
    assert world.alias("base") == other
    assert world.alias("web") == run.outcomes["web"].digest


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.DENIED, 3), (Verdict.UNKNOWN, 4)])
def test_an_alias_whose_place_is_uncertain_is_not_written(world: World, verdict: Verdict, code: int) -> None:
    """Unknown is not absent, for aliases as well."""
    world.registry.answers[str(repository("web").with_tag("main"))] = Observation(verdict, detail="?")
    run = world.run(FakeBuilder(world.registry))
    assert [moved.state for moved in run.outcomes["web"].aliases] == ["failed"]
    assert run.exit_code == code
    assert world.alias("web") is None


def test_a_refused_alias_is_told_and_the_others_move(world: World) -> None:
    """All, or with a clear account."""
    world.registry.failures[f"put {repository('web').with_tag('main')}"] = RegistryRefused("HTTP 403")
    run = world.run(FakeBuilder(world.registry))
    assert run.exit_code == 3
    assert statuses(run) == {"base": "built", "web": "built", "api": "built"}
    states = {name: outcome.aliases[0].state for name, outcome in run.outcomes.items()}
    assert states == {"base": "moved", "web": "failed", "api": "moved"}


def test_an_alias_behind_a_skipped_image_moves(world: World) -> None:
    """Nothing to build, one alias elsewhere: it is put where it belongs."""
    world.run(FakeBuilder(world.registry))
    world.registry.tagged[f"{repository('web')}:main"] = world.registry.put_image(repository("web"), content="old")
    run = world.run(FakeBuilder(world.registry))
    assert statuses(run)["web"] == "skipped"
    assert world.alias("web") == run.outcomes["web"].digest


def test_outcomes_stand_from_the_start(world: World) -> None:
    """An interruption before anything happened can still be reported."""
    world.run(FakeBuilder(world.registry, failing={"api": "x"}))
    run = Run(world.plan(), world.registry)
    assert statuses(run) == {"base": "skipped", "web": "skipped", "api": "blocked"}
    assert run.outcomes["api"].error == "not reached"
    assert run.exit_code == 0


def test_a_builder_without_a_digest_is_a_failed_build(world: World) -> None:
    """What was not pushed is not tagged."""
    builder = FakeBuilder(world.registry)
    plan = world.plan()
    run = Run(plan, world.registry)

    class Forgetful(FakeBuilder):
        """Builds and forgets to say what."""

        def build(
            self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
        ) -> Mapping[str, BuildOutcome]:
            """Drop every digest."""
            found = builder.build(requests, push=push, on_event=on_event)
            return {name: outcome._replace(digest=None) for name, outcome in found.items()}

    run.build(Forgetful(world.registry), world.requests(plan), recheck=tuple, on_event=world.events.append)
    assert set(statuses(run).values()) == {Status.FAILED.value}
    assert "gave no digest" in run.outcomes["web"].error
