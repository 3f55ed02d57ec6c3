"""alias, promote and join as people and scripts use them, against the registry in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.fake_registry import FakeRegistry

from pipeline_kit.content_tag import KEY_LABEL

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

BOTH = ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["alias"], "give an IMAGE and at least one TAG"),
        (["alias", "api"], "give an IMAGE and at least one TAG"),
        (["alias", ",", "v1"], "give an IMAGE before the tags"),
        (["alias", "--all"], "give at least one TAG"),
        (["alias", "nothing", "v1"], "there is no image 'nothing'"),
        (["alias", "api", "-x"], "-x"),
        (["alias", "api", "a b"], "'a b' is not a legal tag"),
        (["alias", "api", "v1", "--from", "x", "--commit", "HEAD"], "exclude each other"),
        (["alias", "api", "v1", "--from", "a:b"], "neither a tag nor a digest"),
        (["alias", "--all", "v1", "--from", f"sha256:{'a' * 64}"], "about one image"),
        (["promote"], "--to"),
        (["promote", "--to", "Prod"], "lower case"),
        (["promote", "--to", "shop"], "onto itself"),
        (["promote", "--to", "prod", "--tag", "a/b"], "'a/b' is not a legal tag"),
        (["join", "nothing"], "there is no image 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(shop: Shop, words: list[str], told: str) -> None:
    """Exit 2, with what was wrong."""
    ran = shop.run(*words)
    assert ran.code == 2
    assert told in ran.err
    assert not shop.registry.log


def test_alias_tells_what_became_of_each_tag(shop: Shop) -> None:
    """One line each for scripts, a count for people."""
    shop.push()
    shop.golden("alias", shop.run("alias", "api,web", "prod", "v1"))
    shop.golden("alias-again", shop.run("alias", "api,web", "prod", "v1"))


def test_alias_of_what_is_not_there(shop: Shop) -> None:
    """The command that brings it; nothing moves for the others."""
    shop.push("web")
    shop.golden("alias-missing", shop.run("alias", "--all", "prod"))
    assert "prod" not in shop.registry.tags["shop/web"]


def test_promote_tells_what_was_copied(shop: Shop) -> None:
    """One line an image for scripts, a sum for people; the second run has nothing to do."""
    shop.push()
    shop.golden("promote", shop.run("promote", "--to", "prod", "--tag", "v1"))
    shop.golden("promote-again", shop.run("promote", "--to", "prod", "--tag", "v1"))


def test_promote_dry_run(shop: Shop) -> None:
    """The plan people read; nothing is written."""
    shop.push()
    shop.golden("promote-dry-run", shop.run("promote", "api", "--to", "prod", "--dry-run"))
    assert "prod/api" not in shop.registry.manifests


def test_promote_into_another_registry(shop: Shop) -> None:
    """JSON for scripts, and the same as a report file."""
    shop.push("web")
    with FakeRegistry() as other:
        report = shop.root / "report.json"
        ran = shop.run("promote", "web", "--to", other.host, "--json", "--report", str(report))
        assert ran.code == 0, ran.err
        told = ran.json()
        assert told == json.loads(report.read_text())
        assert told["images"]["web"]["blobs"] == {"uploaded": 2, "mounted": 0, "present": 0}
        assert other.manifests["shop/web"] == shop.registry.manifests["shop/web"]
        assert other.tags["shop/web"] == shop.registry.tags["shop/web"]


def test_promote_to_an_immutable_tag_with_other_content(shop: Shop) -> None:
    """Exit 6, told before anything is copied."""
    shop.push("web")
    tag = next(iter(shop.registry.tags["shop/web"]))
    shop.registry.put_image("prod/web", tag, content="another")
    shop.golden("promote-conflict", shop.run("promote", "web", "--to", "prod"))


def test_a_missing_repository_at_the_target_is_told(shop: Shop) -> None:
    """Exit 3: on ECR it has to be created first."""
    shop.push("web")
    with FakeRegistry(creates_repositories=False) as other:
        ran = shop.run("promote", "web", "--to", f"{other.host}/prod")
        assert ran.code == 3, ran.err
        assert other.tags == {}


def test_an_untrusted_run_promotes_nothing(shop: Shop) -> None:
    """A pull request of a fork must not feed production."""
    shop.write(scopes={"trusted": ["refs/heads/main"]})
    shop.push()
    env = {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/topic", "GITHUB_SHA": "a" * 40}
    for words in (["promote", "--to", "prod"], ["alias", "--all", "prod"]):
        ran = shop.run(*words, env=env)
        assert ran.code == 3
        assert "not trusted" in ran.err
    assert not [item for item in shop.registry.log if item.method in ("PUT", "POST", "PATCH")]


def test_join_of_platforms_that_were_pushed_apart(shop: Shop) -> None:
    """The missing one is named, with the command that brings it; then the image is whole."""
    shop.write({"web": {"context": "web", "platforms": BOTH}})
    tag = json.loads(shop.run("tag", "--json").out)["images"]["web"]["tag"]
    key = json.loads(shop.run("plan", "--json").out)["images"]["web"]["key"]
    labels = {KEY_LABEL: key}
    shop.registry.put_image("shop/web", f"{tag}-linux-amd64", [BOTH[0]], labels=labels)
    shop.golden("join-missing", shop.run("join"))
    shop.registry.put_image("shop/web", f"{tag}-linux-arm64", [BOTH[1]], labels=labels)
    assert shop.run("join").code == 0
    index = json.loads(shop.registry.manifests["shop/web"][shop.registry.tags["shop/web"][tag]][1])
    assert [item["platform"]["architecture"] for item in index["manifests"]] == ["amd64", "arm64"]


def test_alias_and_promote_start_light() -> None:
    """Neither engine nor AWS nor retry machinery is loaded to move a tag."""
    import subprocess
    import sys

    code = (
        "import sys, pipeline_kit.cli.alias, pipeline_kit.app.aliases, pipeline_kit.app.promotion, "
        "pipeline_kit.adapters.registry.content; "
        "print(sorted({'docker', 'git', 'boto3', 'tenacity', 'requests', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
