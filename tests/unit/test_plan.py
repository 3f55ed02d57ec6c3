from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import InputError
from pipeline_kit.plan import (
    Action,
    Candidate,
    Plan,
    PlannedImage,
    Verdict,
    decide,
    differences,
    document,
    phrase_files,
    read,
)
from pipeline_kit.values import replace

DIGEST = f"sha256:{'d' * 64}"
OTHER = f"sha256:{'e' * 64}"
ALL = ("base", "api", "web")


def candidate(name: str, verdict: Verdict, **members: object) -> Candidate:
    """Return an image before the decision; ``api`` and ``web`` build upon ``base``."""
    is_present = verdict is Verdict.PRESENT
    made = Candidate(
        name=name,
        repository=f"registry.example/shop/{name}",
        needs=() if name == "base" else ("base",),
        platforms=("linux/amd64", "linux/arm64"),
        key=name[0] * 64,
        tag=name[0] * 40,
        verdict=verdict,
        digest=DIGEST if is_present else None,
    )
    return replace(made, **members)


def shop(base: Verdict, api: Verdict, web: Verdict) -> dict[str, Candidate]:
    """Return the three images with these verdicts."""
    return {"web": candidate("web", web), "api": candidate("api", api), "base": candidate("base", base)}


P, A, D, U = Verdict.PRESENT, Verdict.ABSENT, Verdict.DENIED, Verdict.UNKNOWN


@pytest.mark.parametrize(("base", "api"), list(product(Verdict, Verdict)))
def test_every_pair_of_verdicts(base: Verdict, api: Verdict) -> None:
    """Only absent leads to a build; denied and unknown block; the plan's verdict is the gravest."""
    expected = {P: Action.SKIP, A: Action.BUILD, D: Action.BLOCKED, U: Action.BLOCKED}
    plan = decide(shop(base, api, P), wanted=ALL, force=False)
    assert [image.action for image in plan.images.values()] == [expected[base], Action.SKIP, expected[api]]
    assert list(plan.images) == ["base", "web", "api"]
    worst = D if D in (base, api) else U if U in (base, api) else None
    assert plan.worst_verdict is worst
    assert plan.has_work is ((base, api) != (P, P))
    assert {image.name for image in plan.builds} == {
        name for name, verdict in (("base", base), ("api", api)) if verdict is A
    }


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("verdict", [D, U])
def test_force_does_not_override_uncertainty(verdict: Verdict, *, force: bool) -> None:
    """What exists is not certain, so nothing is built, whatever the user asks for."""
    plan = decide({"base": candidate("base", verdict, detail="HTTP 500")}, wanted=("base",), force=force)
    image = plan.images["base"]
    assert (image.action, image.reasons) == (Action.BLOCKED, ("HTTP 500",))


@pytest.mark.parametrize(
    ("base", "api", "wanted", "names"),
    [
        (P, P, ("api",), ["api"]),
        (A, P, ("api",), ["api"]),
        (P, A, ("api",), ["base", "api"]),
        (A, A, ("api",), ["base", "api"]),
        (U, A, ("api",), ["base", "api"]),
        (U, P, ("api",), ["api"]),
        (A, A, ("base",), ["base"]),
        (P, P, (), []),
    ],
)
def test_what_was_not_asked_for_stands_in_the_plan_only_where_needed(
    base: Verdict, api: Verdict, wanted: tuple[str, ...], names: list[str]
) -> None:
    """A dependency is part of the plan when something that is to be built needs it, and otherwise not."""
    plan = decide(shop(base, api, A), wanted=wanted, force=False)
    assert list(plan.images) == names


def test_a_needed_present_dependency_is_skipped_and_has_its_digest() -> None:
    """The build of its dependant is pinned to it."""
    plan = decide(shop(P, A, P), wanted=("api",), force=False)
    assert plan.images["base"].action is Action.SKIP
    assert plan.images["base"].digest == DIGEST


def test_a_chain_is_followed_to_its_end() -> None:
    """What a stale dependency needs is needed too."""
    chain = {
        "c": replace(candidate("c", A), needs=("b",)),
        "b": replace(candidate("b", A), needs=("a",)),
        "a": replace(candidate("a", A), needs=()),
    }
    assert list(decide(chain, wanted=("c",), force=False).images) == ["a", "b", "c"]


REASONS = [
    (candidate("api", P), False, Action.SKIP, ("tag present, 2 platforms",)),
    (candidate("api", P, platforms=("linux/amd64",)), False, Action.SKIP, ("tag present, 1 platform",)),
    (
        candidate("api", P, missing_platforms=("linux/arm64",)),
        False,
        Action.COMPLETE,
        ("tag present, without linux/arm64",),
    ),
    (candidate("api", A), False, Action.BUILD, ("tag not in the registry",)),
    (candidate("api", P), True, Action.BUILD, ("forced",)),
    (candidate("api", P, missing_platforms=("linux/arm64",)), True, Action.BUILD, ("forced",)),
    (candidate("api", D), False, Action.BLOCKED, ("the registry's answer is denied",)),
    (candidate("api", U, detail="timed out"), False, Action.BLOCKED, ("timed out",)),
    (candidate("api", U, is_asked=False), False, Action.BUILD, ("offline: the registry was not asked",)),
    (
        candidate("api", U, is_asked=False, detail="digest of alpine not known offline"),
        False,
        Action.BUILD,
        ("digest of alpine not known offline",),
    ),
]


@pytest.mark.parametrize(("image", "force", "action", "reasons"), REASONS)
def test_reasons_in_a_reviewer_s_words(image: Candidate, force: bool, action: Action, reasons: tuple[str, ...]) -> None:
    """Each decision says why, and never claims what was not asked."""
    planned = decide({"base": candidate("base", P), "api": image}, wanted=("api",), force=force).images["api"]
    assert (planned.action, planned.reasons) == (action, reasons)


@pytest.mark.parametrize(
    ("image", "reasons"),
    [
        (candidate("api", A), ("src/app.py changed",)),
        (candidate("api", U, is_asked=False), ("src/app.py changed", "offline: the registry was not asked")),
        (candidate("api", P), ("tag present, 2 platforms",)),
        (candidate("api", U, detail="timed out"), ("timed out",)),
    ],
)
def test_what_differs_from_an_earlier_commit_is_why_an_image_is_built(
    image: Candidate, reasons: tuple[str, ...]
) -> None:
    """And says nothing of one that is not."""
    images = {"base": candidate("base", P), "api": image}
    plan = decide(images, wanted=("api",), force=False, causes={"api": ("src/app.py changed",), "web": ("no",)})
    assert plan.images["api"].reasons == reasons


def test_a_rebuilt_base_is_the_first_reason() -> None:
    """A chain says so, before the image's own changes."""
    images = {"base": candidate("base", A), "api": candidate("api", A)}
    plan = decide(images, wanted=ALL, force=False, causes={"api": ("Dockerfile changed",)})
    assert plan.images["api"].reasons == ("base base is rebuilt", "Dockerfile changed")
    assert plan.images["base"].reasons == ("tag not in the registry",)


def test_force_reaches_only_what_was_asked_for() -> None:
    """A present base is not rebuilt because its dependant is forced."""
    plan = decide(shop(P, P, P), wanted=("api",), force=True)
    assert {name: image.action for name, image in plan.images.items()} == {"base": Action.SKIP, "api": Action.BUILD}


def test_a_forced_build_builds_every_platform() -> None:
    """Only completing builds the missing ones alone."""
    image = candidate("base", P, missing_platforms=("linux/arm64",))
    forced = decide({"base": image}, wanted=("base",), force=True).images["base"]
    completed = decide({"base": image}, wanted=("base",), force=False).images["base"]
    assert forced.missing_platforms == ()
    assert completed.missing_platforms == ("linux/arm64",)


@pytest.mark.parametrize(
    ("at", "moves"), [({"main": None}, ("main",)), ({"main": OTHER}, ("main",)), ({"main": DIGEST}, ()), ({}, ())]
)
def test_an_alias_elsewhere_is_work(at: dict[str, str | None], moves: tuple[str, ...]) -> None:
    """A present image whose alias names something else is not finished."""
    plan = decide({"base": candidate("base", P, aliases=at)}, wanted=("base",), force=False)
    assert plan.images["base"].alias_moves == moves
    assert plan.has_work is bool(moves)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ()),
        ({"b": "added", "a": "changed"}, ("a changed", "b added")),
        (dict.fromkeys("abc", "removed"), ("a removed", "b removed", "c removed")),
        (dict.fromkeys("abcd", "added"), ("a added", "b added", "and 2 more files")),
        ({str(number): "added" for number in range(10)}, ("0 added", "1 added", "and 8 more files")),
    ],
)
def test_files_are_named_up_to_three(changed: dict[str, str], told: tuple[str, ...]) -> None:
    """A reviewer sees names, then a count that adds up."""
    assert phrase_files(changed) == told


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_TUPLES = st.lists(_TEXT, max_size=3).map(tuple)
_MAYBE = st.none() | _TEXT


def _planned(name: str) -> st.SearchStrategy[PlannedImage]:
    return st.builds(
        PlannedImage,
        name=st.just(name),
        action=st.sampled_from(Action),
        verdict=st.sampled_from(Verdict),
        key=_MAYBE,
        tag=_MAYBE,
        repository=_TEXT,
        digest=_MAYBE,
        needs=_TUPLES,
        platforms=_TUPLES,
        missing_platforms=_TUPLES,
        aliases=st.dictionaries(_TEXT, _MAYBE, max_size=2),
        reasons=_TUPLES,
        hint=_TEXT,
    )


_PLANS = st.builds(
    Plan,
    st.lists(_TEXT, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(*map(_planned, names)).map(lambda images: {image.name: image for image in images})
    ),
    _TEXT,
)


@given(_PLANS)
def test_a_plan_survives_json(plan: Plan) -> None:
    """What is saved is read back equal, images in the same order, and differs from itself in nothing."""
    again = read(json.dumps(document(plan)).encode(), "plan.json")
    assert again == plan
    assert list(again.images) == list(plan.images)
    assert differences(plan, again) == ()


def test_the_document_has_the_promised_members() -> None:
    """Design D7: the members that scripts rely on, with the words they rely on."""
    shown = document(decide(shop(A, A, P), wanted=("api",), force=False, tree="work tree"))
    api = shown["images"]["api"]
    assert list(shown["images"]) == ["base", "api"]
    assert api["action"] == "build"
    assert api["verdict"] == "absent"
    assert api["reference"] == f"registry.example/shop/api:{'a' * 40}"
    assert api["digest"] is None
    assert api["reasons"] == ["base base is rebuilt"]
    assert shown["tree"] == "work tree"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"version": 1}',
        b'{"version": 1, "tree": "", "images": []}',
        b'{"version": 1, "tree": "", "images": {"a": {}}}',
        b'{"version": 1, "tree": "", "images": {"a": {"action": "explode"}}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    """A file that is no plan is named, with what makes one."""
    with pytest.raises(InputError, match=r"odd\.json") as caught:
        read(data, "odd.json")
    assert "pipeline-kit plan --out" in str(caught.value.hint)


def test_a_plan_of_another_version_is_refused() -> None:
    """A later format is not half understood."""
    with pytest.raises(InputError, match="version 2"):
        read(b'{"version": 2, "tree": "", "images": {}}', "plan.json")


def test_differences_say_what_moved() -> None:
    """One sentence an image: inputs, registry, aliases, come and gone."""
    saved = decide(shop(A, P, P), wanted=ALL, force=False)
    images = shop(A, P, P)

    def fresh(**changed: Candidate) -> Plan:
        return decide({**images, **changed}, wanted=ALL, force=False)

    assert differences(saved, fresh()) == ()
    (inputs,) = differences(saved, fresh(api=replace(images["api"], key="x" * 64, tag="x" * 40)))
    assert inputs == f"api: its inputs changed ({'a' * 40} is now {'x' * 40})"
    (registry,) = differences(saved, fresh(web=candidate("web", A)))
    assert registry == "web: the registry moved (planned skip, now build)"
    (digest,) = differences(saved, fresh(web=replace(images["web"], digest=OTHER)))
    assert digest.startswith("web: the registry moved")
    (alias,) = differences(saved, fresh(web=replace(images["web"], aliases={"main": OTHER})))
    assert alias == "web: an alias moved"
    fewer = decide(images, wanted=("base", "api"), force=False)
    assert differences(saved, fewer) == ("web is gone",)
    assert differences(fewer, saved) == ("web is new",)
