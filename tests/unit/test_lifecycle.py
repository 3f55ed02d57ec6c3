"""ECR lifecycle policies: what they select, which rule wins, and what ECR would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_kit.config.model import Retention
from pipeline_kit.errors import InputError
from pipeline_kit.retention import StoredImage
from pipeline_kit.retention.lifecycle import generate_policy, parse_policy, simulate

DAY = 86_400
NOW = 1_000 * DAY


def rule(priority: int, status: str = "any", **members: Any) -> dict[str, Any]:
    """Return a rule that keeps one image, unless told otherwise."""
    count = {"countType": "imageCountMoreThan", "countNumber": 1}
    if "days" in members:
        count = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": members.pop("days")}
    action = members.pop("action", "expire")
    selection = {"tagStatus": status, **count, **members}
    return {"rulePriority": priority, "selection": selection, "action": {"type": action}}


def images(**ages: float) -> list[StoredImage]:
    """Return an image for each word: its tags, joined by ``_and_``, and its age in days; ``none…`` has no tag."""
    return [
        StoredImage(word, () if word.startswith("none") else tuple(word.split("_and_")), NOW - age * DAY)
        for word, age in ages.items()
    ]


def gone(rules: list[dict[str, Any]], there: list[StoredImage]) -> dict[str, int]:
    """Return what goes, with the rule."""
    return {item.image.digest: item.rule for item in simulate(parse_policy({"rules": rules}), there, NOW)}


@pytest.mark.parametrize(
    ("rules", "there", "expected"),
    [
        ([rule(1)], images(a=1, b=2, none=3), {"b": 1, "none": 1}),
        ([rule(1, "untagged", days=2)], images(a=9, none1=3, none2=1), {"none1": 1}),
        ([rule(1, "untagged", days=2)], images(none=2), {}),
        ([rule(1, "tagged", tagPrefixList=["v"], days=1)], images(v1=2, w1=2), {"v1": 1}),
        # every prefix is needed, not any of them
        ([rule(1, "tagged", tagPrefixList=["a", "b"], days=1)], images(a1=5, b1=5, a2_and_b2=5), {"a2_and_b2": 1}),
        ([rule(1, "tagged", tagPatternList=["a*z"], days=1)], images(abz=5, az=5, aza=5), {"abz": 1, "az": 1}),
        ([rule(1, "tagged", tagPatternList=["a", "b"], days=1)], images(a=5, a_and_b=5), {"a_and_b": 1}),
        ([rule(1, "tagged", tagPatternList=["v1.0"], days=1)], images(v1x0=5), {}),
        # a rule shields what it selects from all that come after it
        (
            [rule(1, "tagged", tagPrefixList=["prod"]), rule(2, days=1)],
            images(prod1=50, prod2=40, dev=30),
            {"prod1": 1, "dev": 2},
        ),
        # a later rule counts what an earlier one took
        (
            [rule(1, "tagged", tagPrefixList=["v"], days=5), rule(2)],
            images(v1=9, w=10, x=11),
            {"v1": 1, "w": 2, "x": 2},
        ),
        ([rule(5, days=1), rule(2, "untagged", days=100)], images(a=5, none=5), {"a": 5}),
    ],
)
def test_which_images_go(rules: list[dict[str, Any]], there: list[StoredImage], expected: dict[str, int]) -> None:
    """As the user guide says, rule by rule."""
    assert gone(rules, there) == expected


def test_what_a_kept_index_refers_to_stays() -> None:
    """Children carry no tag, and still are no rubbish; with their index they go."""
    there = [StoredImage("index", ("v1",), NOW - 9 * DAY, ("child",)), StoredImage("child", (), NOW - 9 * DAY)]
    assert gone([rule(1, "untagged", days=1)], there) == {}
    assert gone([rule(1, days=1)], there) == {"index": 1, "child": 1}


def test_pulls_and_archives() -> None:
    """An image that was never pulled counts from its push; archiving is told as what it is."""
    there = [StoredImage("old", ("a",), NOW - 9 * DAY), StoredImage("pulled", ("b",), NOW - 9 * DAY, pulled=NOW - DAY)]
    old = rule(1, action="transition", countType="sinceImagePulled", countUnit="days", countNumber=5)
    (found,) = simulate(parse_policy({"rules": [old]}), there, NOW)
    assert (found.image.digest, found.action) == ("old", "transition")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "rules"),
        ({"rules": []}, "rules"),
        ({"rules": [1]}, "selection"),
        ({"rules": [rule(0)]}, "rulePriority"),
        ({"rules": [rule(1), rule(1)]}, "rulePriority"),
        ({"rules": [rule(1), rule(2, "untagged")]}, "any"),
        ({"rules": [rule(1, "some")]}, "tagStatus"),
        ({"rules": [rule(1, "tagged")]}, "either"),
        ({"rules": [rule(1, "tagged", tagPrefixList=["a"], tagPatternList=["b"])]}, "either"),
        ({"rules": [rule(1, "untagged", tagPrefixList=["a"])]}, "tagged only"),
        ({"rules": [rule(1, "tagged", tagPatternList=["*a*a*a*a*"])]}, "wildcards"),
        ({"rules": [rule(1, countType="x")]}, "countType"),
        ({"rules": [rule(1, countUnit="days")]}, "countUnit"),
        ({"rules": [rule(1, countType="sinceImagePushed")]}, "countUnit"),
        ({"rules": [rule(1, action="x")]}, "action"),
        ({"rules": [rule(1, "tagged", tagPrefixList="a")]}, "list"),
    ],
)
def test_what_ecr_would_refuse(document: Any, told: str) -> None:
    """Exit 2 with the rule's number."""
    with pytest.raises(InputError, match=told):
        parse_policy(document)


def test_a_generated_policy_keeps_what_retention_keeps() -> None:
    """Named tags are shielded by a rule of their own; the generated policy is one that ECR takes."""
    made = generate_policy(Retention(keep_last=2, keep_tags=("v*", "latest")), "c-")
    rules = parse_policy(made.document)
    there = images(**{"c-1": 9, "c-2": 8, "c-3": 7, "c-0_and_v1": 99, "latest": 99, "none": 3})
    assert [item.image.digest for item in simulate(rules, there, NOW)] == ["c-1", "none"]


def test_a_generated_policy_says_only_what_it_can() -> None:
    """Two rules that ECR cannot join, and patterns that it does not know, leave tagged images to prune."""
    both = generate_policy(Retention(keep_last=2, keep_days=3, keep_tags=("v*",)), "c-")
    assert [one["selection"]["tagStatus"] for one in both.document["rules"]] == ["tagged", "untagged"]
    assert both.document["rules"][0]["selection"]["countNumber"] == 100_000
    assert any("together" in warning for warning in both.warnings)
    every = generate_policy(Retention(keep_days=3), "")
    assert [one["selection"]["tagStatus"] for one in every.document["rules"]] == ["untagged"]
    assert any("'*'" in warning for warning in every.warnings)
    days = generate_policy(Retention(keep_days=3, keep_tags=(), min_age=90_000), "c-").document["rules"]
    assert [one["selection"]["countNumber"] for one in days] == [3, 2]
