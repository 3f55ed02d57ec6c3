from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from fakes.command_line import run
from fakes.fake_registry import FakeRegistry
from fakes.project_files import config_text, environment, tags, write_files

import pipeline_kit
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.plan import Action, Plan, Verdict, document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.git_checkout import Checkout

IMAGES: dict[str, dict[str, Any]] = {
    "base": {"context": "base"},
    "api": {"context": "api", "contexts": {"base": "image:base"}},
    "web": {"context": "web"},
}
NAMES = ("base", "web", "api")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Return a registry on loopback."""
    with FakeRegistry() as fake:
        yield fake


def write_shop(root: Path, registry: FakeRegistry, images: dict[str, dict[str, Any]] = IMAGES, **top: Any) -> None:
    """Write a project of base, api (upon base) and web."""
    write_files(
        root,
        {
            "pipeline-kit.yaml": config_text(images, registry=registry.host, **top),
            "base/Dockerfile": "FROM scratch\nCOPY . /\n",
            "api/Dockerfile": "FROM base\nARG MODE\nCOPY . /\n",
            "api/src/app.py": "print(1)\n",
            "web/Dockerfile": "FROM scratch\nCOPY . /\n",
        },
    )


@pytest.fixture
def shop(checkout: Checkout, registry: FakeRegistry) -> Path:
    """Return a committed project whose registry is the fake one."""
    write_shop(checkout.root, registry)
    checkout.commit()
    return checkout.root


def push(registry: FakeRegistry, root: Path, *names: str, **members: Any) -> None:
    """Let the registry hold ``names`` (all) under their content tags, and forget the requests so far."""
    for name, tag in tags(root).items():
        if name in (names or NAMES):
            registry.put_image(f"shop/{name}", tag, **members)
    registry.log.clear()


def plan(root: Path, *names: str, offline: bool = False, **environ: str) -> Plan:
    """Return the plan of the project in ``root``."""
    return pipeline_kit.plan(root, names, environ=environment(**environ), offline=offline)


def reasons(found: Plan) -> dict[str, tuple[str, ...]]:
    """Return every image's reasons."""
    return {image.name: image.reasons for image in found.images.values()}


def actions(found: Plan) -> dict[str, str]:
    """Return every image's action, as a word."""
    return {image.name: image.action.value for image in found.images.values()}


def test_an_empty_registry_means_building_everything(shop: Path, registry: FakeRegistry) -> None:
    """Every tag is absent, in graph order."""
    found = plan(shop)
    assert actions(found) == dict.fromkeys(NAMES, "build")
    assert list(found.images) == ["base", "web", "api"]
    assert {image.verdict for image in found.images.values()} == {Verdict.ABSENT}
    assert reasons(found)["base"] == ("tag not in the registry",)
    assert reasons(found)["api"] == ("base base is rebuilt",)
    assert found.tree == "work tree"
    assert {request.method for request in registry.log} <= {"HEAD", "GET"}


def test_present_images_are_skipped_with_one_request_each(shop: Path, registry: FakeRegistry) -> None:
    """N images, N HEADs, nothing else."""
    push(registry, shop)
    found = plan(shop)
    assert actions(found) == dict.fromkeys(NAMES, "skip")
    assert reasons(found) == dict.fromkeys(NAMES, ("tag present, 1 platform",))
    assert not found.has_work
    assert [request.method for request in registry.log] == ["HEAD"] * 3
    assert {image.digest for image in found.images.values()} == {
        digest for held in registry.tags.values() for digest in held.values()
    }


def test_a_changed_file_is_the_reason(shop: Path, registry: FakeRegistry) -> None:
    """Exactly the images that depend on it are built, each with its reason."""
    push(registry, shop)
    (shop / "api/src/app.py").write_text("print(2)\n")
    (shop / "api/src/new.py").write_text("")
    found = plan(shop)
    assert actions(found) == {"base": "skip", "web": "skip", "api": "build"}
    assert reasons(found)["api"] == ("src/app.py changed", "src/new.py added")


def test_a_changed_base_is_its_dependant_s_reason(shop: Path, registry: FakeRegistry) -> None:
    """In the words of design D5."""
    push(registry, shop)
    (shop / "base/Dockerfile").write_text("FROM scratch\nCOPY . /\nUSER 1\n")
    found = plan(shop)
    assert reasons(found)["base"] == ("Dockerfile changed",)
    assert reasons(found)["api"] == ("base base is rebuilt",)
    assert actions(found)["web"] == "skip"


def test_a_committed_change_is_still_the_reason(checkout: Checkout, shop: Path, registry: FakeRegistry) -> None:
    """In CI the tree is clean: then the parent tells."""
    push(registry, shop)
    (shop / "api/src/app.py").unlink()
    (shop / "api/src/other.py").write_text("")
    checkout.commit()
    assert reasons(plan(shop))["api"] == ("src/app.py removed", "src/other.py added")


def test_the_commit_named_by_the_ci_is_compared_with(checkout: Checkout, shop: Path, registry: FakeRegistry) -> None:
    """A push of several commits is compared with what the branch held before."""
    before = checkout.git("rev-parse", "HEAD")
    (shop / "api/src/app.py").write_text("print(2)\n")
    checkout.commit()
    (shop / "web/x").write_text("x")
    checkout.commit()
    event = shop.parent / "event.json"
    event.write_text(f'{{"before": "{before}"}}')
    found = plan(
        shop,
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="push",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_SHA=checkout.git("rev-parse", "HEAD"),
        GITHUB_REF="refs/heads/main",
    )
    assert reasons(found)["api"] == ("base base is rebuilt", "src/app.py changed")
    assert reasons(found)["web"] == ("x added",)


def test_an_older_commit_s_changes_are_no_reason_once_a_newer_one_differs(
    checkout: Checkout, shop: Path, registry: FakeRegistry
) -> None:
    """The work tree changed only the base: what the last commit did to api is not blamed."""
    (shop / "api/src/app.py").write_text("print(2)\n")
    checkout.commit()
    push(registry, shop)
    (shop / "base/file").write_text("x")
    assert reasons(plan(shop))["api"] == ("base base is rebuilt",)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"args": {"MODE": "fast"}}, "build argument MODE added"),
        ({"platforms": ["linux/arm64"]}, "option platforms changed"),
        ({"secrets": {"npm": {"env": "TOKEN"}}}, "secret npm added"),
    ],
)
def test_configuration_is_a_reason_too(
    checkout: Checkout, registry: FakeRegistry, image: dict[str, Any], reason: str
) -> None:
    """What pipeline-kit.yaml changed is said in its terms."""
    write_shop(checkout.root, registry)
    checkout.commit()
    push(registry, checkout.root)
    write_shop(checkout.root, registry, {**IMAGES, "api": {**IMAGES["api"], **image}})
    assert reasons(plan(checkout.root))["api"] == (reason,)


def test_without_git_there_are_plain_reasons(tmp_path: Path, home: Path, registry: FakeRegistry) -> None:
    """A directory without .git has no history to compare with, and plans all the same."""
    root = tmp_path / "zip"
    write_shop(root, registry)
    found = plan(root)
    assert reasons(found)["web"] == ("tag not in the registry",)
    assert found.tree == "directory without git"


def test_offline_claims_nothing(shop: Path, registry: FakeRegistry) -> None:
    """No request at all, not even a hit, and no reason that speaks for the registry."""
    push(registry, shop)
    (shop / "api/src/app.py").write_text("print(2)\n")
    found = plan(shop, offline=True)
    assert registry.log == []
    assert {image.verdict for image in found.images.values()} == {Verdict.UNKNOWN}
    assert Action.SKIP not in {image.action for image in found.images.values()}
    assert reasons(found)["web"] == ("offline: the registry was not asked",)
    assert "src/app.py changed" in reasons(found)["api"]
    assert not any("not in the registry" in reason for told in reasons(found).values() for reason in told)


def test_offline_with_an_unresolved_base_has_no_tag(checkout: Checkout, registry: FakeRegistry) -> None:
    """A tag that needs a base's digest is not made up, nor is that of what builds upon it."""
    write_shop(checkout.root, registry)
    (checkout.root / "base/Dockerfile").write_text(f"FROM {registry.host}/python:3\nCOPY . /\n")
    found = plan(checkout.root, offline=True)
    assert found.images["base"].tag is None
    assert found.images["api"].tag is None
    assert found.images["web"].tag is not None
    assert f"{registry.host}/python:3" in reasons(found)["base"][-1]
    assert registry.log == []


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"status": 403, "body": b'{"errors":[{"code":"DENIED","message":"no"}]}'}, Verdict.DENIED),
        ({"status": 404, "body": b"<html>not found</html>"}, Verdict.DENIED),
        ({"status": 200, "body": b"<html>log in</html>"}, Verdict.DENIED),
    ],
)
def test_an_answer_that_is_no_spec_true_404_is_never_absent(
    shop: Path, registry: FakeRegistry, rule: dict[str, Any], verdict: Verdict
) -> None:
    """The image is blocked and not built; the others are told truly."""
    push(registry, shop)
    registry.add_rule(path="/v2/shop/web/", **rule)
    found = plan(shop)
    assert found.images["web"].action is Action.BLOCKED
    assert found.images["web"].verdict is verdict
    assert found.worst_verdict is verdict
    assert actions(found)["base"] == "skip"
    assert found.images["web"].reasons[0]


def test_a_missing_repository_of_ecr_is_refused(
    shop: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where repositories are not created by a push, NAME_UNKNOWN is no absent tag, and the remedy is spelled out."""
    monkeypatch.setattr("pipeline_kit.adapters.registry.hints.is_ecr_host", lambda _: True)
    registry.creates_repositories = False
    found = plan(shop)
    image = found.images["web"]
    assert (image.action, image.verdict) == (Action.BLOCKED, Verdict.DENIED)
    assert "shop/web does not exist" in image.reasons[0]
    assert image.hint == "create it: aws ecr create-repository --repository-name shop/web"


def test_missing_platforms_are_completed(checkout: Checkout, registry: FakeRegistry) -> None:
    """The index is looked into; a whole one costs one request more and is skipped."""
    both = ["linux/amd64", "linux/arm64"]
    write_shop(checkout.root, registry, defaults={"platforms": both})
    push(registry, checkout.root, "base", "api", platforms=both)
    push(registry, checkout.root, "web", platforms=both[:1], index=True)
    found = plan(checkout.root)
    assert actions(found) == {"base": "skip", "web": "complete", "api": "skip"}
    assert found.images["web"].missing_platforms == ("linux/arm64",)
    assert reasons(found)["web"] == ("tag present, without linux/arm64",)
    assert reasons(found)["base"] == ("tag present, 2 platforms",)
    assert len(registry.requests("HEAD")) == 3
    assert len(registry.requests("GET")) == 3


def test_a_plain_manifest_where_two_platforms_are_wanted(checkout: Checkout, registry: FakeRegistry) -> None:
    """Its config tells which one it is."""
    write_shop(checkout.root, registry, defaults={"platforms": ["linux/amd64", "linux/arm64"]})
    push(registry, checkout.root, platforms=["linux/arm64"])
    found = plan(checkout.root)
    assert {image.missing_platforms for image in found.images.values()} == {("linux/amd64",)}


def test_aliases_are_asked_in_the_same_wave(checkout: Checkout, registry: FakeRegistry) -> None:
    """One HEAD an alias; those elsewhere are work, also where nothing is built."""
    write_shop(checkout.root, registry, defaults={"aliases": ["{branch}", "stable"]})
    checkout.commit()
    push(registry, checkout.root)
    for name in ("base", "api"):
        (digest,) = registry.tags[f"shop/{name}"].values()
        registry.tags[f"shop/{name}"] |= {"main": digest, "stable": digest}
    registry.put_image("shop/web", "main", content="old")
    registry.put_image("shop/web", "stable", content="old")
    found = plan(checkout.root)
    assert actions(found) == dict.fromkeys(NAMES, "skip")
    assert found.images["web"].alias_moves == ("main", "stable")
    assert found.images["api"].alias_moves == ()
    assert found.has_work
    assert [request.method for request in registry.log] == ["HEAD"] * 9


def test_an_alias_that_cannot_be_asked_blocks_its_image(checkout: Checkout, registry: FakeRegistry) -> None:
    """Taken for absent it could be moved backwards."""
    write_shop(checkout.root, registry, defaults={"aliases": ["stable"]})
    push(registry, checkout.root)
    registry.add_rule(path="/web/manifests/stable", status=403, body=b'{"errors":[{"code":"DENIED","message":"no"}]}')
    found = plan(checkout.root)
    assert (found.images["web"].action, found.images["web"].verdict) == (Action.BLOCKED, Verdict.DENIED)
    assert found.images["web"].reasons[0].startswith("alias stable: ")
    assert found.images["api"].action is Action.SKIP


def test_a_detached_head_has_no_branch_alias(checkout: Checkout, registry: FakeRegistry) -> None:
    """The alias drops out instead of being called something else."""
    write_shop(checkout.root, registry, defaults={"aliases": ["{branch}", "{short_sha}"]})
    commit = checkout.commit()
    checkout.git("checkout", "--quiet", "--detach")
    assert set(plan(checkout.root).images["web"].aliases) == {commit[:12]}


@pytest.mark.parametrize(("labels", "verdict"), [(True, Verdict.PRESENT), (False, Verdict.DENIED)])
def test_verify_label_wants_our_key_in_the_image(
    checkout: Checkout, registry: FakeRegistry, labels: bool, verdict: Verdict
) -> None:
    """An image without it is no hit, and nothing is overwritten either."""
    write_shop(checkout.root, registry, verify="label")
    keys = {image.name: str(image.key) for image in plan(checkout.root, offline=True).images.values()}
    for name, tag in tags(checkout.root).items():
        registry.put_image(f"shop/{name}", tag, labels={KEY_LABEL: keys[name]} if labels else None)
    found = plan(checkout.root)
    assert {image.verdict for image in found.images.values()} == {verdict}
    assert {image.action for image in found.images.values()} == {Action.SKIP if labels else Action.BLOCKED}


def test_one_token_serves_every_repository(checkout: Checkout) -> None:
    """A Bearer registry is challenged once and asked for one token."""
    with FakeRegistry(token=True) as registry:
        write_shop(checkout.root, registry)
        push(registry, checkout.root)
        plan(checkout.root)
        assert len(registry.requests("GET", "/token")) == 1
        assert len(registry.requests("HEAD")) <= 4


def _digest_of_tree(*places: Path) -> dict[str, str]:
    """Return every path below ``places`` with what it is: bytes, mode, link, and time of last change."""
    found: dict[str, str] = {}
    for place in places:
        for path in [place, *place.rglob("*")]:
            state = path.lstat()
            content = b""
            if path.is_symlink():
                content = os.fsencode(path.readlink())
            elif path.is_file():
                content = path.read_bytes()
            found[str(path)] = f"{state.st_mode:o} {state.st_mtime_ns} {hashlib.sha256(content).hexdigest()}"
    return found


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "--json"), ("plan", "--offline"), ("tag",), ("config",)])
def test_looking_leaves_no_trace_anywhere(
    checkout: Checkout, git_home: Path, tmp_path: Path, registry: FakeRegistry, arguments: tuple[str, ...]
) -> None:
    """Work tree, .git, home and temporary directory are the same before and after, times included."""
    write_shop(checkout.root, registry, {**IMAGES, "web": {**IMAGES["web"], "args": {"SHA": "{sha}"}}})
    checkout.commit()
    (checkout.root / "api/src/app.py").write_text("print(2)\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environ = {"HOME": str(git_home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    before = _digest_of_tree(checkout.root, git_home, scratch)
    assert run(checkout.root, *arguments, env=environ).code == 0
    assert _digest_of_tree(checkout.root, git_home, scratch) == before
    assert {request.method for request in registry.log} <= {"HEAD", "GET"}


def test_detailed_exitcode(shop: Path, registry: FakeRegistry, git_home: Path) -> None:
    """10 while there is work, 0 when there is none; without the option always 0."""
    assert run(shop, "plan", "--detailed-exitcode").code == 10
    assert run(shop, "plan").code == 0
    push(registry, shop)
    assert run(shop, "plan", "--detailed-exitcode").code == 0
    (shop / "web/new").write_text("x")
    assert run(shop, "plan", "api", "--detailed-exitcode").code == 0
    assert run(shop, "plan", "web", "--detailed-exitcode").code == 10


def test_plan_json_is_the_api_s_plan(shop: Path, registry: FakeRegistry, git_home: Path) -> None:
    """The command line is a thin skin; --json and --format json are one thing, and --out saves it."""
    expected = document(plan(shop))
    assert run(shop, "plan", "--json").json() == expected
    assert run(shop, "plan", "--format", "json").json() == expected
    saved = shop.parent / "plan.json"
    assert run(shop, "plan", "--out", str(saved)).code == 0
    assert run(shop, "plan", "--json").out == saved.read_text()


def test_wanted_images_alone_are_asked_for(shop: Path, registry: FakeRegistry) -> None:
    """What was not named is planned only where something to be built needs it."""
    push(registry, shop)
    assert list(plan(shop, "web").images) == ["web"]
    assert [request.path for request in registry.log] == [f"/v2/shop/web/manifests/{tags(shop)['web']}"]
