"""What is kept and why, as values in and values out."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.retention import (
    Decided,
    Rules,
    StoredImage,
    Uses,
    decide,
    deletion_waves,
    uses_in_documents,
    uses_of_reference,
)

DAY = 86_400.0
NOW = 1_000 * DAY
CONTENT = re.compile(r"[0-9a-f]{40}(?:-[A-Za-z0-9_.-]+)?")
RULES = Rules(CONTENT, keep_last=2, keep_seconds=30 * DAY)


def digest(number: int) -> str:
    """Return a digest that a number stands for."""
    return f"sha256:{number:064x}"


def tag(number: int) -> str:
    """Return a content tag that a number stands for."""
    return f"{number:040x}"


def image(number: int, *tags: str, age: float | None = 100, **members: Any) -> StoredImage:
    """Return an image of ``age`` days."""
    return StoredImage(digest(number), tags, None if age is None else NOW - age * DAY, **members)


def decided(*images: StoredImage, uses: Uses | None = None, rules: Rules = RULES) -> dict[int, Decided]:
    """Return the decisions by number."""
    found = decide(images, uses or Uses(), rules, NOW)
    return {int(item.image.digest.partition(":")[2], 16): item for item in found}


@pytest.mark.parametrize(
    ("one", "uses", "keep", "reason"),
    [
        (image(9, tag(9)), Uses(), False, "not in use, 100 d old, not among the newest 2"),
        (image(9, tag(9), age=29), Uses(), True, "younger than 30 d"),
        (image(9, tag(9), age=0.5), Uses(), True, "younger than 1 d"),
        (image(9, age=0.5), Uses(), True, "younger than 1 d"),
        (image(9, age=20), Uses(), False, "no tag names it, 20 d old"),
        (image(9, tag(9), age=None), Uses(), True, "its age is not known"),
        (image(9, tag(9), "v1"), Uses(), True, "tag v1"),
        (image(9, tag(9)), Uses({digest(9): "running task x"}), True, "running task x"),
        (image(9, tag(9)), Uses(tags={tag(9): "branch main"}), True, "branch main"),
        (image(9, f"{tag(9)}-linux-arm64"), Uses(), False, "not in use, 100 d old, not among the newest 2"),
        (image(9, subject=digest(77), age=3), Uses(), False, f"belongs to {0:012x}, which is gone"),
    ],
)
def test_reasons(one: StoredImage, uses: Uses, keep: bool, reason: str) -> None:
    """Each rule by itself, beside two newer images that count as the newest."""
    newest = (image(1, tag(1), age=10), image(2, tag(2), age=11))
    found = decided(one, *newest, uses=uses)
    assert (found[9].keep, found[9].reason) == (keep, reason)


def test_only_named_tags_keep_where_patterns_are_written() -> None:
    """A sha tag on every image must not keep everything."""
    rules = Rules(CONTENT, keep_tags=("v*", "latest"))
    found = decided(image(1, "v1"), image(2, "pr-7"), image(3, "latest"), rules=rules)
    assert [found[number].keep for number in (1, 2, 3)] == [True, False, True]


def test_a_kept_index_keeps_its_children_and_what_refers_to_any_of_them() -> None:
    """A signature of one platform too, and a signature of the signature."""
    found = decided(
        image(1, tag(1), children=(digest(2), digest(3))),
        image(2),
        image(3),
        image(4, subject=digest(3)),
        image(5, subject=digest(4)),
        image(6, f"sha256-{1:064x}.sig"),
        image(7, f"sha256-{1:064x}", children=(digest(8),)),
        image(8),
        uses=Uses({digest(1): "running"}),
        rules=Rules(CONTENT),
    )
    assert all(item.keep and item.is_used for item in found.values())
    assert found[2].reason == f"part of {tag(1)}"
    assert found[4].reason.startswith("belongs to ")


def test_a_platform_in_use_keeps_its_index_and_the_other_platforms() -> None:
    """ECS tells the platform's digest; the task definition names the index."""
    found = decided(
        image(1, tag(1), children=(digest(2), digest(3))),
        image(2, age=None),
        image(3, age=None),
        uses=Uses({digest(2): "running task x"}),
        rules=Rules(CONTENT),
    )
    assert all(item.keep for item in found.values())
    assert found[1].reason == f"holds {0:012x}: running task x"


def test_a_child_of_two_indexes_goes_only_with_both() -> None:
    """Shared platforms are common: only one of two changed."""
    shared = (image(1, tag(1), children=(digest(3),)), image(2, tag(2), children=(digest(3),)), image(3, age=None))
    found = decided(*shared, uses=Uses({digest(1): "running"}), rules=Rules(CONTENT))
    assert [found[number].keep for number in (1, 2, 3)] == [True, False, True]
    assert not any(item.keep for item in decided(*shared, rules=Rules(CONTENT)).values())


def test_an_index_goes_before_its_children_and_these_before_what_referred_to_them() -> None:
    """ECR refuses the other order."""
    found = decide(
        [
            image(5, subject=digest(1)),
            image(2, age=None),
            image(1, tag(1), children=(digest(2),)),
            image(6, f"sha256-{1:064x}", children=(digest(5),)),
        ],
        Uses(),
        Rules(CONTENT),
        NOW,
    )
    waves = [[int(one.digest[7:], 16) for one in wave] for wave in deletion_waves(found)]
    assert waves == [[1], [2], [6], [5]]


def history(seed: int) -> tuple[list[StoredImage], Uses, Rules]:
    """Return a repository with indexes, artifacts and tags of all kinds, what is in use of it, and some rules."""
    random = Random(seed)  # noqa: S311 - the same histories for the same seed
    count = random.randint(1, 14)
    images = []
    free = [name for n in range(count) for name in (tag(n), tag(n + 50), f"v{n}", f"sha256-{n // 2:064x}")]
    random.shuffle(free)
    for number in range(count):
        tags = [free.pop() for _ in range(random.randint(0, 2)) if free]
        children: list[str] = []
        if number < count - 1 and random.random() < 0.5:
            children = [digest(random.randint(number + 1, count + 1)) for _ in range(random.randint(0, 3))]
        subject = digest(random.randint(0, count + 1)) if not children and random.random() < 0.25 else ""
        age = None if random.random() < 0.2 else random.uniform(0, 400)
        images.append(image(number, *dict.fromkeys(tags), age=age, children=tuple(children), subject=subject))
    digests = [digest(random.randint(0, count + 1)) for _ in range(random.randint(0, 3))]
    tags_used = [random.choice(one.tags) for one in images if one.tags and random.random() < 0.15]
    uses = Uses(dict.fromkeys(digests, "task"), dict.fromkeys(tags_used, "branch"))
    rules = Rules(
        CONTENT,
        random.choice([None, 1, 2, 4]),
        random.choice([None, random.uniform(1, 200 * DAY)]),
        random.choice([("*",), (), ("v1",)]),
        random.uniform(0, 3 * DAY),
    )
    return images, uses, rules


def needed(images: list[StoredImage], uses: Uses) -> set[str]:
    """Return what is in use, by another way: everything that a user of the image could ask for, again and again."""
    found = {one.digest for one in images if one.digest in uses.digests or uses.tags.keys() & set(one.tags)}
    while True:
        more = set(found)
        for one in images:
            if one.digest in found:
                more.update(one.children)
            if one.subject in found:
                more.add(one.digest)
        if more == found:
            return found & {one.digest for one in images}
        found = more


@settings(max_examples=1500, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_in_use_ever_goes(seed: int) -> None:
    """Over random histories: 0 in-use images deleted, none too young, and waves hold each doomed image once."""
    images, uses, rules = history(seed)
    found = decide(images, uses, rules, NOW)
    going = {item.image.digest for item in found if not item.keep}
    assert not going & needed(images, uses)
    assert all(item.reason for item in found)
    for item in found:
        if item.image.created is not None and NOW - item.image.created < rules.min_age:
            assert item.keep
        if item.keep:
            assert not going & set(item.image.children)
    waves = [one.digest for wave in deletion_waves(found) for one in wave]
    assert sorted(waves) == sorted(going)


@pytest.mark.parametrize(
    ("text", "digests", "tags"),
    [
        ("reg.example/shop/api:v1", [], ["v1"]),
        ("reg.example/shop/api", [], ["latest"]),
        (f"reg.example/shop/api:v1@{digest(1)}", [digest(1)], ["v1"]),
        (f"docker-pullable://reg.example/shop/api@{digest(1)}", [digest(1)], []),
        (f"{{{{ .repo }}}}@{digest(1)}", [digest(1)], []),
        ("{{ .image }}", [], []),
    ],
)
def test_references(text: str, digests: list[str], tags: list[str]) -> None:
    """What a reference uses, templates included."""
    found = uses_of_reference(text, "x")
    assert (sorted(found.digests), sorted(found.tags)) == (digests, tags)


def test_documents_of_many_kinds() -> None:
    """Pods, Helm values, kustomize, and a status by digest."""
    found = uses_in_documents(
        [
            {"spec": {"initContainers": [{"image": "a/b:init"}], "containers": [{"image": "a/b:main"}]}},
            {"image": {"repository": "a/b", "tag": "helm"}},
            {"images": [{"name": "a/b", "newTag": "kustomize"}, {"name": "c", "digest": digest(2)}]},
            {"status": {"containerStatuses": [{"imageID": f"a/b@{digest(3)}"}]}},
            {"metadata": {"annotations": {"x": f"text {digest(4)} text"}}, "tag": 1.5},
            None,
        ],
        "m",
    )
    assert sorted(found.tags) == ["1.5", "helm", "init", "kustomize", "main"]
    assert sorted(found.digests) == [digest(2), digest(3), digest(4)]


def test_documents_nested_too_deeply() -> None:
    """A bound instead of all the memory."""
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ValueError, match="deeply"):
        uses_in_documents([deep], "m")
