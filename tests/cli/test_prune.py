"""prune as people and CI use it: a registry in this process, git here, and ECS as a double."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.dated_images import attach, put
from fakes.fake_ecs import FakeEcs
from fakes.fake_ecs_usage import UsageState
from fakes.project_files import tags, write_files

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.execute.records import write_record
from pipeline_kit.record import BuildRecord, Stamp
from pipeline_kit.recorded_inputs import RecordedInputs
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop
    from fakes.command_line import Ran


def content_tag(letter: str) -> str:
    """Return something that looks like a content tag."""
    return letter * 40


def decisions(ran: Ran, name: str = "web") -> dict[str, tuple[str, str]]:
    """Return decision and reason by tag (or digest) of one repository."""
    (found,) = [value for key, value in ran.json()["repositories"].items() if key.endswith(f"/{name}")]
    return {(item["tags"] or [item["digest"]])[0]: (item["decision"], item["reason"]) for item in found["images"]}


def retain(shop: Shop, **rules: Any) -> None:
    """Write and commit a configuration with ``retention:``."""
    shop.write(retention={"keep_last": 1, **rules})
    shop.commit()


def held(shop: Shop, name: str = "web") -> set[str]:
    """Return the digests that the registry holds."""
    return set(shop.registry.manifests.get(f"shop/{name}", {}))


def test_a_plan_deletes_nothing(shop: Shop) -> None:
    """Without --yes everything is listed with its reason and nothing is written."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60, index=True)
    put(shop, "v1", days=70)
    before = held(shop)
    ran = shop.run("prune", "web")
    shop.golden("prune-plan", replace(ran, out=re.sub(r"\b[0-9a-f]{12}\b", "HEX12", ran.out)))
    assert held(shop) == before
    assert not shop.registry.requests("DELETE")
    assert not shop.registry.requests("PUT")


def test_yes_deletes_what_nothing_keeps_with_its_parts_and_referrers(shop: Shop) -> None:
    """The index first, then its children, then what referred to them; the second run has nothing to do."""
    retain(shop)
    kept = put(shop, content_tag("a"), days=50)
    doomed = put(shop, content_tag("b"), days=60, index=True)
    attach(shop, doomed)
    ran = shop.run("prune", "web", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert held(shop) == {kept}
    order = [one.path.rpartition("/")[2] for one in shop.registry.requests("DELETE")]
    assert len(order) == 3
    assert order[0] == doomed
    again = shop.run("prune", "web", "--yes")
    assert again.code == 0
    assert "1 kept" in again.err


def test_branches_and_tags_are_kept_and_a_refs_images_can_be_left_out(shop: Shop) -> None:
    """Content tags of every head are computed from git objects; nothing needs to be checked out."""
    write_files(shop.root, {"web/own": "of web alone"})
    retain(shop)
    old = tags(shop.root)["web"]
    shop.git("branch", "feature/x")
    write_files(shop.root, {"web/more": "1"})
    shop.commit()
    put(shop, old, days=90)
    put(shop, content_tag("a"), days=80)
    put(shop, tags(shop.root)["web"], days=95)
    found = decisions(shop.run("prune", "web", "--json"))
    assert found[old] == ("keep", "branch feature/x")
    assert found[tags(shop.root)["web"]][0] == "keep"
    assert found[content_tag("a")] == ("keep", "number 1 of the newest 1")
    assert decisions(shop.run("prune", "web", "--json", "--skip-ref", "feature/*"))[old][0] == "delete"
    assert decisions(shop.run("prune", "web", "--json", "--skip-ref", "*", "--keep-commit", "feature/x"))[old] == (
        "keep",
        "feature/x",
    )


def test_images_in_manifests_are_kept(shop: Shop) -> None:
    """By tag or by digest, from files and from stdin."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    digest = put(shop, content_tag("c"), days=70)
    shop.root.joinpath("pods.yaml").write_text(
        f"kind: Pod\nspec: {{containers: [{{image: 'x/web:{content_tag('b')}'}}]}}\n---\nimageID: 'x@{digest}'\n"
    )
    found = decisions(shop.run("prune", "web", "--json", "--manifest", "pods.yaml"))
    assert found[content_tag("b")] == ("keep", "manifest pods.yaml")
    assert found[content_tag("c")] == ("keep", "manifest pods.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [("a: [", "pods.yaml"), ("a: &x 1\nb: *x\n", "aliases"), (None, "No such file")],
)
def test_a_manifest_that_cannot_be_read_stops_everything(shop: Shop, text: str | None, told: str) -> None:
    """Exit 2, nothing deleted."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    if text is not None:
        shop.root.joinpath("pods.yaml").write_text(text)
    ran = shop.run("prune", "--yes", "--manifest", "pods.yaml")
    assert ran.code == 2
    assert told in ran.err
    assert not shop.registry.requests("DELETE")


def with_ecs(shop: Shop, fake: FakeEcs, digest: str) -> dict[str, str]:
    """Let a cluster run ``digest``, and write it down; return the environment that leads there."""
    document = {"family": "web", "containerDefinitions": [{"name": "web", "image": f"x/web@{digest}"}]}
    fake.state.service("web", fake.state.family(document))
    service = {"task_definition": "family:web", "containers": {"web": "web"}}
    shop.write(
        retention={"keep_last": 1},
        deploy={"ecs": {"prod": {"cluster": "prod", "services": {"web": service}}}},
    )
    shop.commit()
    return fake.environment()


def test_what_ecs_runs_is_kept_and_an_ecs_that_cannot_be_asked_stops_everything(shop: Shop) -> None:
    """Exit 3 and nothing deleted when one of the questions is denied."""
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    digest = put(shop, content_tag("c"), days=70)
    with FakeEcs(UsageState()) as fake:
        environment = with_ecs(shop, fake, digest)
        found = decisions(shop.run("prune", "web", "--json", env=environment))
        assert found[content_tag("c")] == ("keep", "task definition web:1")
        assert found[content_tag("b")][0] == "delete"
        assert not fake.invalid
        for operation in ("ListTasks", "ListServices", "ListServiceDeployments", "ListTaskDefinitions"):
            fake.faults.clear()
            fake.fail(operation, "AccessDeniedException", "no")
            ran = shop.run("prune", "web", "--yes", env=environment)
            assert ran.code == 3, (operation, ran.err)
        assert not shop.registry.requests("DELETE")


def test_a_shallow_clone_or_one_of_a_single_branch_deletes_nothing(shop: Shop, tmp_path: Path) -> None:
    """Branches that are not here cannot be kept: exit 5, and what to do."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    shop.git("config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    ran = shop.run("prune", "--yes")
    assert ran.code == 5
    assert "fetch-depth: 0" in ran.err
    shop.git("config", "--unset", "remote.origin.fetch")
    (shop.root / ".git/shallow").write_text(f"{'0' * 40}\n")
    assert shop.run("prune", "--yes").code == 5


def test_an_answer_that_leaves_doubt_stops_everything(shop: Shop) -> None:
    """A registry that denies one manifest: exit 3, nothing deleted."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    shop.registry.add_rule(method="GET", path=f".*/manifests/{content_tag('b')}", status=403)
    ran = shop.run("prune", "web", "--yes")
    assert ran.code == 3
    assert not shop.registry.requests("DELETE")


def test_without_retention_or_with_both_switches(shop: Shop) -> None:
    """Nothing says what is kept: exit 2."""
    ran = shop.run("prune")
    assert ran.code == 2
    assert "retention" in ran.err
    retain(shop)
    assert shop.run("prune", "--yes", "--dry-run").code == 2


def test_a_registry_that_deletes_nothing_is_told(shop: Shop) -> None:
    """Exit 1, each image with the reason."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    shop.registry.deletes = False
    ran = shop.run("prune", "web", "--yes", "--json")
    assert ran.code == 1
    assert "UNSUPPORTED" in ran.err or "405" in ran.err
    document = json.loads(ran.out)
    assert document["exit_code"] == 1


def test_what_a_record_says_was_built_for_a_head_is_kept(shop: Shop) -> None:
    """With base images that moved since, the head's tag of today is another one."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    digests = {letter: put(shop, content_tag(letter), days=60) for letter in "bc"}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=shop.root, check=True, capture_output=True, text=True)
    client = ContentClient(environment={})
    for letter, commit in (("b", head.stdout.strip()), ("c", "0" * 40)):
        record = BuildRecord(
            image="web",
            key="0" * 64,
            tag=content_tag(letter),
            repository=f"{shop.registry.host}/shop/web",
            platforms=("linux/amd64",),
            inputs=RecordedInputs(),
            scope="trusted",
            stamp=Stamp(commit=commit),
            created=1_600_000_000,
        )
        write_record(client, Reference(shop.registry.host, "shop/web").with_digest(digests[letter]), record)
    client.close()
    found = decisions(shop.run("prune", "web", "--json"))
    assert found[content_tag("b")] == ("keep", "built for branch main")
    assert found[content_tag("c")][0] == "delete"


def test_a_run_that_is_not_trusted_deletes_nothing(shop: Shop) -> None:
    """It may look; with --yes it ends with 3."""
    retain(shop)
    put(shop, content_tag("a"), days=50)
    put(shop, content_tag("b"), days=60)
    environment = {"PIPELINE_KIT_TRUSTED": "refs/heads/main"}
    assert shop.run("prune", "web", env=environment).code == 0
    ran = shop.run("prune", "web", "--yes", env=environment)
    assert ran.code == 3
    assert "not trusted" in ran.err
    assert not shop.registry.requests("DELETE")
