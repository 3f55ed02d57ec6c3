"""Trust scopes and levels of proof, on a real checkout and a registry in this process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fakes.ci_events import github_pull, github_push
from fakes.fake_registry import FakeRegistry
from fakes.project_files import config_text, environment, tags, write_files
from fakes.trap_scene import StoringBuilder

import pipeline_kit
from pipeline_kit.app.job import BuildOptions, run_build
from pipeline_kit.app.session import open_session
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import InputError, RegistryRefused
from pipeline_kit.plan import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.git_checkout import Checkout

    from pipeline_kit.outputs.report import RunReport
    from pipeline_kit.plan import Plan, PlannedImage
    from pipeline_kit.ports.builder import Builder

IMAGES: dict[str, dict[str, Any]] = {
    "base": {"context": "base"},
    "api": {"context": "api", "contexts": {"base": "image:base"}, "aliases": ["latest"]},
}
SCOPES = {"trusted": ["refs/heads/main"]}


@dataclass
class Shop:
    """A project of base and api (upon base), its registry, and runs of any kind."""

    checkout: Checkout
    registry: FakeRegistry
    folder: Path
    builders: list[StoringBuilder] = field(default_factory=list)

    def write(self, images: dict[str, dict[str, Any]] = IMAGES, **top: Any) -> None:
        """Write and commit the project."""
        files = {
            "pipeline-kit.yaml": config_text(images, registry=self.registry.host, **top),
            "base/Dockerfile": "FROM scratch\nCOPY . /\n",
            "api/Dockerfile": "FROM base\nCOPY . /\n",
        }
        write_files(self.checkout.root, files)
        self.checkout.commit()

    def plan(self, environ: dict[str, str] | None = None) -> Plan:
        """Return the plan of a run."""
        return pipeline_kit.plan(self.checkout.root, (), environ=environment(**(environ or {})))

    def api(self, environ: dict[str, str] | None = None) -> PlannedImage:
        """Return what is planned for api."""
        return self.plan(environ).images["api"]

    def build(self, environ: dict[str, str] | None = None, **options: Any) -> RunReport:
        """Do the main job of a run."""
        builder = StoringBuilder(self.registry)
        self.builders.append(builder)

        @contextmanager
        def given(_: object) -> Iterator[Builder]:
            yield builder

        with open_session(self.checkout.root, None, environment(**(environ or {}))) as session:
            wanted = options.pop("wanted", ("base", "api"))
            return run_build(session, BuildOptions(wanted, **options), given, lambda _: None)

    def built(self) -> list[str]:
        """Return what the last run built."""
        return [request.name for request in self.builders[-1].requests]

    def records(self, repository: str = "shop/api") -> list[dict[str, Any]]:
        """Return the build records in a repository."""
        found = []
        for _, data in self.registry.manifests.get(repository, {}).values():
            document = json.loads(data)
            if document.get("artifactType", "").startswith("application/vnd.pipeline-kit.build-record"):
                blob = self.registry.blobs[repository][document["layers"][0]["digest"]]
                found.append({**json.loads(blob), "subject": document["subject"]["digest"]})
        return found

    def put(self, name: str, **members: Any) -> str:
        """Let the registry hold an image under its content tag."""
        return self.registry.put_image(f"shop/{name}", tags(self.checkout.root)[name], **members).digest

    def keys(self) -> dict[str, str]:
        """Return every image's whole key."""
        return {name: str(image.key) for name, image in self.plan().images.items()}


@pytest.fixture
def shop(checkout: Checkout, tmp_path: Path) -> Iterator[Shop]:
    """Give a committed project with scopes and an empty registry."""
    folder = tmp_path / "runner"
    folder.mkdir()
    with FakeRegistry() as registry:
        made = Shop(checkout, registry, folder)
        made.write(scopes=SCOPES)
        yield made


def test_a_build_leaves_a_record_beside_its_image(shop: Shop) -> None:
    """With everything that later runs ask: key, inputs, commit, run, scope."""
    main = github_push(shop.folder, commit=shop.checkout.git("rev-parse", "HEAD"))
    done = shop.build(main)
    assert (done.exit_code, done.scope, done.warnings) == (0, "trusted", ())
    record = shop.records()[0]
    image = next(image for image in done.images if image.name == "api")
    assert (record["subject"], record["tag"], record["key"]) == (image.digest, image.tag, shop.keys()["api"])
    assert record["stamp"]["commit"] == shop.checkout.git("rev-parse", "HEAD")
    assert record["stamp"]["commit_time"] == int(shop.checkout.git("log", "-1", "--format=%ct"))
    assert (record["stamp"]["ref"], record["stamp"]["run"], record["stamp"]["provider"]) == (
        "refs/heads/main",
        100,
        "github",
    )
    assert (record["scope"], record["status"], record["platforms"]) == ("trusted", "built", ["linux/amd64"])
    assert record["run_url"] == "https://github.example/acme/shop/actions/runs/100/attempts/1"
    assert record["inputs"]["image"] == {"base": shop.keys()["base"]}
    shop.build(main)
    assert len(shop.records()) == 1


def test_a_run_whose_registry_takes_no_records_succeeds(shop: Shop) -> None:
    """And says so, once."""
    shop.registry.add_rule(method="PUT", path="/blobs/", status=405, body=b'{"errors":[{"code":"UNSUPPORTED"}]}')
    shop.registry.add_rule(method="POST", path="/blobs/", status=405, body=b'{"errors":[{"code":"UNSUPPORTED"}]}')
    done = shop.build(github_push(shop.folder))
    assert (done.exit_code, [image.status.value for image in done.images]) == (0, ["built", "built"])
    assert len([warning for warning in done.warnings if "no build records" in warning]) == 1
    shop.write(scopes=SCOPES, verify="record", tag_prefix="r-")
    failed = shop.build(github_push(shop.folder))
    assert {image.status.value for image in failed.images} == {"failed"}
    assert failed.exit_code == 3
    assert not [tag for tag in shop.registry.tags["shop/api"] if tag.startswith("r-")]


def test_an_untrusted_run_takes_what_a_trusted_one_wrote(shop: Shop) -> None:
    """Nothing is built, and no alias is touched."""
    shop.build(github_push(shop.folder))
    pull = github_pull(shop.folder, is_fork=False)
    planned = shop.api(pull)
    assert (planned.action, planned.repository) == (Action.SKIP, f"{shop.registry.host}/shop/api")
    assert planned.aliases == {}
    done = shop.build(pull)
    assert (done.exit_code, done.scope, shop.built()) == (0, "pr-12", [])
    assert "shop/api-untrusted" not in shop.registry.manifests


def test_an_untrusted_run_writes_to_its_own_lane_only(shop: Shop) -> None:
    """Repository, content tag, alias and record alike; the trusted repositories stay as they were."""
    pull = github_pull(shop.folder, is_fork=False)
    done = shop.build(pull)
    assert done.exit_code == 0
    plain = tags(shop.checkout.root)["api"]
    assert set(shop.registry.manifests) == {"shop/base-untrusted", "shop/api-untrusted"}
    assert set(shop.registry.tags["shop/api-untrusted"]) == {f"{plain}-pr-12", "latest-pr-12"}
    assert [record["scope"] for record in shop.records("shop/api-untrusted")] == ["pr-12"]
    api = next(image for image in done.images if image.name == "api")
    assert api.pinned == f"{shop.registry.host}/shop/api-untrusted@{api.digest}"
    again = shop.build(pull)
    assert [image.status.value for image in again.images] == ["skipped", "skipped"]


def test_an_untrusted_image_serves_no_other_run(shop: Shop) -> None:
    """Not a trusted one, and not another pull request's."""
    shop.build(github_pull(shop.folder, is_fork=False))
    for other in (github_push(shop.folder), github_pull(shop.folder, 13, is_fork=False)):
        planned = shop.api(other)
        assert (planned.action, planned.verdict) == (Action.BUILD, Verdict.ABSENT)
    assert shop.api(github_push(shop.folder)).repository == f"{shop.registry.host}/shop/api"


def test_an_image_built_upon_a_trusted_one_takes_it_from_there(shop: Shop) -> None:
    """The base is a hit in the trusted repository, the image is built in the lane."""
    shop.build(github_push(shop.folder), wanted=("base",))
    shop.build(github_pull(shop.folder, is_fork=False))
    request = shop.builders[-1].requests[0]
    digest = shop.registry.tags["shop/base"][tags(shop.checkout.root)["base"]]
    assert [item.name for item in shop.builders[-1].requests] == ["api"]
    assert request.contexts["base"] == f"docker-image://{shop.registry.host}/shop/base@{digest}"
    assert request.repository == f"{shop.registry.host}/shop/api-untrusted"


def test_a_trusted_answer_that_is_not_certain_stops_an_untrusted_run(shop: Shop) -> None:
    """Unknown is not absent: not even the lane is looked into."""
    shop.build(github_pull(shop.folder, is_fork=False))
    shop.registry.add_rule(path="/v2/shop/api/manifests", status=403)
    assert shop.api(github_pull(shop.folder, is_fork=False)).verdict is Verdict.DENIED


def test_a_fork_cannot_make_itself_trusted(shop: Shop) -> None:
    """A file without scopes, or with a wide pattern, changes nothing for a run with secrets on a fork's code."""
    for scopes in (None, {"trusted": ["refs/**"]}):
        shop.write(IMAGES, **({"scopes": scopes} if scopes else {}))
        target = github_pull(shop.folder, is_fork=True, event="pull_request_target")
        assert shop.api(target).repository == f"{shop.registry.host}/shop/api-untrusted"


def test_the_environment_decides_before_the_file(shop: Shop) -> None:
    """So that no branch can trust itself by editing the file."""
    shop.write(scopes={"trusted": ["refs/**"]})
    topic = github_push(shop.folder, "refs/heads/topic")
    trusted = f"{shop.registry.host}/shop/api"
    assert shop.api(topic).repository == trusted
    assert (
        shop.api({**topic, "PIPELINE_KIT_TRUSTED": "refs/heads/main refs/tags/*"}).repository == f"{trusted}-untrusted"
    )
    assert shop.api({**topic, "PIPELINE_KIT_TRUSTED": "refs/heads/topic"}).repository == trusted
    with pytest.raises(InputError, match="PIPELINE_KIT_TRUSTED"):
        shop.plan({**topic, "PIPELINE_KIT_TRUSTED": "main"})


def test_outside_a_ci_nobody_says_which_ref_it_is(shop: Shop) -> None:
    """With scopes a laptop has a lane; without, it is trusted as everybody is."""
    assert shop.api().repository == f"{shop.registry.host}/shop/api-untrusted"
    assert str(shop.api().tag).endswith("-local")
    shop.write()
    assert shop.api().repository == f"{shop.registry.host}/shop/api"


def test_a_fork_s_run_without_credentials_builds_and_pushes_nothing(shop: Shop) -> None:
    """It plans with what can be read, builds what is missing, and says that nothing was pushed."""
    shop.build(github_push(shop.folder), wanted=("base",))
    fork = github_pull(shop.folder, is_fork=True)
    plan = shop.plan(fork)
    assert {name: image.action for name, image in plan.images.items()} == {"base": Action.SKIP, "api": Action.BUILD}
    before = json.dumps(sorted(shop.registry.manifests))
    shop.registry.log.clear()
    done = shop.build(fork)
    assert (done.exit_code, shop.built()) == (0, ["api"])
    assert [image.status.value for image in done.images] == ["skipped", "built"]
    assert "this run has no credentials to push with, so nothing was pushed" in done.warnings
    assert {request.method for request in shop.registry.log} <= {"HEAD", "GET"}
    assert "shop/api-untrusted" not in before


def test_what_a_run_without_credentials_may_not_read_is_said(shop: Shop) -> None:
    """Neither a hit nor a build is claimed; nothing fails for it."""
    shop.registry.add_rule(path="/v2/shop/base/", status=401, body=b'{"errors":[{"code":"UNAUTHORIZED"}]}')
    fork = github_pull(shop.folder, is_fork=True)
    assert shop.plan(fork).images["base"].verdict is Verdict.DENIED
    done = shop.build(fork)
    assert (done.exit_code, shop.built()) == (0, [])
    assert {image.name: image.status.value for image in done.images} == {"base": "blocked", "api": "blocked"}
    assert any("not known without credentials: base" in warning for warning in done.warnings)
    with pytest.raises(RegistryRefused):
        shop.build(fork, push=True)


def test_push_can_be_asked_for_where_there_are_credentials_after_all(shop: Shop) -> None:
    """A fork's run then writes to its lane."""
    done = shop.build(github_pull(shop.folder, is_fork=True), push=True)
    assert (done.exit_code, done.scope) == (0, "pr-12")
    assert "shop/api-untrusted" in shop.registry.manifests


# Levels of proof


@pytest.mark.parametrize("level", ["label", "record", "deep"])
def test_what_the_tool_pushed_proves_itself(shop: Shop, level: str) -> None:
    """At every level; also an index of several platforms."""
    images = {name: {**image, "platforms": ["linux/amd64", "linux/arm64"]} for name, image in IMAGES.items()}
    shop.write(images, verify=level)
    assert shop.build().exit_code == 0
    assert {image.action for image in shop.plan().images.values()} == {Action.SKIP}


def test_records_are_found_without_a_referrers_api(shop: Shop) -> None:
    """By the tag schema, which every registry can hold."""
    shop.registry.has_referrers = False
    shop.write(verify="record")
    assert shop.build().exit_code == 0
    assert shop.api().action is Action.SKIP
    assert any(tag.startswith("sha256-") for tag in shop.registry.tags["shop/api"])


@pytest.mark.parametrize(
    ("level", "verdict"),
    [("tag", Verdict.PRESENT), ("label", Verdict.DENIED), ("record", Verdict.DENIED), ("deep", Verdict.DENIED)],
)
def test_an_image_pushed_by_hand(shop: Shop, level: str, verdict: Verdict) -> None:
    """Under the right tag, without the key: no hit where more than the tag is asked, and never built over."""
    shop.write(verify=level)
    shop.put("api")
    shop.put("base", labels={KEY_LABEL: shop.keys()["base"]})
    planned = shop.api()
    assert planned.verdict is verdict
    assert planned.action is (Action.SKIP if level == "tag" else Action.BLOCKED)
    if level != "tag":
        assert "does not carry our key" in planned.reasons[0]
        with pytest.raises(RegistryRefused):
            shop.build()
        assert shop.built() == []


def test_a_poisoned_image_has_the_label_and_no_record(shop: Shop) -> None:
    """A label is easily written; the record level asks for more."""
    shop.write(verify="label")
    keys = shop.keys()
    for name, key in keys.items():
        shop.put(name, labels={KEY_LABEL: key})
    assert shop.api().action is Action.SKIP
    shop.write(verify="record")
    planned = shop.api()
    assert (planned.action, planned.verdict) == (Action.BLOCKED, Verdict.DENIED)
    assert planned.reasons == ("tag present, but no build record of this key lies beside its image",)
    assert "--force" in planned.hint


def test_an_untrusted_record_under_a_trusted_tag_is_no_proof(shop: Shop) -> None:
    """Wherever the image came from, the scope of its record counts."""
    shop.write(scopes=SCOPES, verify="record")
    pull = github_pull(shop.folder, is_fork=False)
    assert shop.build(pull).exit_code == 0
    for name, tag in tags(shop.checkout.root).items():
        lane = f"shop/{name}-untrusted"
        shop.registry.manifests[f"shop/{name}"] = dict(shop.registry.manifests[lane])
        shop.registry.blobs[f"shop/{name}"] = dict(shop.registry.blobs[lane])
        shop.registry.tags[f"shop/{name}"] = {tag: shop.registry.tags[lane][f"{tag}-pr-12"]}
    planned = shop.api(github_push(shop.folder))
    assert planned.verdict is Verdict.DENIED
    assert "scope pr-12, which is not trusted here" in planned.reasons[0]
    assert shop.api(github_pull(shop.folder, 13, is_fork=False)).verdict is Verdict.DENIED


def test_force_builds_over_what_proves_nothing(shop: Shop) -> None:
    """The way out that the message names."""
    shop.put("api")
    shop.put("base")
    shop.write(verify="record")
    with pytest.raises(RegistryRefused):
        shop.build()
    assert shop.build(force=True).exit_code == 0
    assert shop.api().action is Action.SKIP


def test_every_missing_part_makes_its_platform_missing(shop: Shop) -> None:
    """A child, a config, a layer: only that platform is built, joined, and then everything is whole again."""
    both = ["linux/amd64", "linux/arm64"]
    shop.write({"api": {"context": "base", "platforms": both}}, verify="deep")
    shop.build(wanted=("api",))
    pinned = shop.api()
    children = json.loads(shop.registry.manifests["shop/api"][str(pinned.digest)][1])["manifests"]
    arm = next(child["digest"] for child in children if child["platform"]["architecture"] == "arm64")
    manifest = json.loads(shop.registry.manifests["shop/api"][arm][1])
    blobs = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
    for digest in (arm, *blobs):
        store: dict[str, Any] = shop.registry.manifests if digest == arm else shop.registry.blobs
        kept = store["shop/api"].pop(digest)
        planned = shop.api()
        assert (planned.action, planned.missing_platforms) == (Action.COMPLETE, ("linux/arm64",))
        assert f"{digest} is gone" in planned.reasons[1]
        store["shop/api"][digest] = kept
    assert shop.api().action is Action.SKIP
    del shop.registry.blobs["shop/api"][blobs[1]]
    done = shop.build(wanted=("api",))
    assert [image.status.value for image in done.images] == ["completed"]
    assert shop.builders[-1].requests[0].platforms == ("linux/arm64",)
    assert shop.api().action is Action.SKIP


def test_an_image_of_one_platform_with_a_missing_blob_is_built_anew(shop: Shop) -> None:
    """Also when its config is what is gone, which would have told the platform."""
    shop.write({"api": {"context": "base"}}, verify="deep")
    shop.build(wanted=("api",))
    for which in ("config", "layers"):
        manifest = json.loads(shop.registry.manifests["shop/api"][str(shop.api().digest)][1])
        part = manifest["config"] if which == "config" else manifest["layers"][0]
        del shop.registry.blobs["shop/api"][part["digest"]]
        assert shop.api().action is Action.COMPLETE
        done = shop.build(wanted=("api",))
        assert (done.exit_code, [image.status.value for image in done.images]) == (0, ["completed"])
        assert shop.api().action is Action.SKIP


def test_a_part_of_which_the_registry_does_not_say_is_no_missing_one(shop: Shop) -> None:
    """A failing blob store makes nothing absent."""
    shop.write({"api": {"context": "base"}}, verify="deep")
    shop.build(wanted=("api",))
    shop.registry.add_rule(path="/blobs/", status=403)
    assert shop.api().verdict is Verdict.DENIED


def test_proofs_of_many_images_are_asked_for_in_parallel(shop: Shop) -> None:
    """And each image gets its own answer."""
    images = {f"i{number:02d}": {"context": "base"} for number in range(20)}
    shop.write(images, verify="label")
    keys = shop.keys()
    for name, key in keys.items():
        shop.put(name, labels={KEY_LABEL: key if name != "i07" else "x"})
    verdicts = {name: image.verdict for name, image in shop.plan().images.items()}
    assert [name for name, verdict in verdicts.items() if verdict is not Verdict.PRESENT] == ["i07"]


# Aliases in shallow clones


def test_runs_in_shallow_clones_that_end_in_reverse_order(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As actions/checkout leaves them: neither run knows the other's commit, and the newer one's image stays."""
    shop.write()
    environ: dict[str, str] = {}
    commits = [_committed(shop, monkeypatch, number) for number in (1, 2)]
    clones = [_clone(shop, commit, tmp_path / f"clone{number}") for number, commit in enumerate(commits)]
    old, new = clones
    digests = {}
    for clone, commit, run in ((new, commits[1], 102), (old, commits[0], 101)):
        environ = github_push(shop.folder, run=run, commit=commit)
        done = _build_in(shop, clone, environ)
        assert done.exit_code == 0
        digests[clone] = next(image for image in done.images if image.name == "api")
    assert shop.registry.tags["shop/api"]["latest"] == digests[new].digest != digests[old].digest
    assert [alias.state for alias in digests[old].aliases] == ["skipped"]
    other = _build_in(shop, old, {**environ, "GITHUB_REF": "refs/heads/other"})
    moved = next(image for image in other.images if image.name == "api").aliases
    assert [alias.state for alias in moved] == ["moved"]
    assert "cannot be told" in moved[0].detail


def _committed(shop: Shop, monkeypatch: pytest.MonkeyPatch, number: int) -> str:
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{1_700_000_000 + number} +0000")
    shop.checkout.write("api/number", f"{number}\n")
    return shop.checkout.commit()


def _clone(shop: Shop, commit: str, place: Path) -> Path:
    shop.checkout.git("branch", "--force", f"at-{commit[:8]}", commit)
    url = f"file://{shop.checkout.root}"
    shop.checkout.git("clone", "--quiet", "--depth=1", f"--branch=at-{commit[:8]}", url, str(place))
    assert (place / ".git/shallow").exists()
    return place


def _build_in(shop: Shop, root: Path, environ: dict[str, str]) -> RunReport:
    builder = StoringBuilder(shop.registry)

    @contextmanager
    def given(_: object) -> Iterator[Builder]:
        yield builder

    with open_session(root, None, environment(**environ)) as session:
        return run_build(session, BuildOptions(("api",)), given, lambda _: None)
