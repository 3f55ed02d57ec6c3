"""Every buildspec template carried out against a real engine, a registry and AWS doubles, as CodeBuild would.

Each template's test also notes what its commands ask of ECR and AWS, and holds that against the template's IAM policy:
what was asked is allowed, and nothing is allowed that was not asked and has no reason of its own.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import aws_double
import pytest
import stack
import yaml
from fakes import iam
from fakes.aws_front import AwsFront
from fakes.codebuild_scene import TEMPLATES, Scene, build_wheel, definition, make_scene
from fakes.fake_codebuild import FakeCodeBuild
from fakes.fake_ecs import DEPLOYED, FakeEcs, Frame
from fakes.recording_front import RecordingFront, recording_front
from fakes.registry_front import RegistryFront
from fakes.registry_profiles_cloud import ECR
from fakes.shop_copy import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.buildspec_runner import BuildResult

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
SERVICES_OWN = {
    "logs:CreateLogGroup": "CodeBuild writes the build's log with the project's role",
    "logs:CreateLogStream": "as above",
    "logs:PutLogEvents": "as above",
}
TOKEN = {
    "ecr:GetAuthorizationToken": "asked for ECR's own host names only: test_ecr_itself_is_asked_with_the_roles_token"
}
BUCKET = {
    "s3:GetObject": "CodeBuild fetches the pipeline's artifact with the project's role",
    "s3:GetObjectVersion": "as above",
    "s3:PutObject": "CodeBuild hands the artifact on with the project's role",
}
DOCS = (ROOT / "docs" / "codebuild.md").read_text(encoding="utf-8")
PUSHED = r"\S+/{name}/{image}@sha256:[0-9a-f]{{64}}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is, built once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def front(running_stack: stack.Stack) -> Iterator[RecordingFront]:
    """ECR of the account, before the real registry."""
    with recording_front(running_stack.registry) as found:
        yield found


@pytest.fixture
def aws() -> Iterator[AwsFront]:
    """AWS: nothing answers yet."""
    with AwsFront() as found:
        yield found


@pytest.fixture
def scene(
    tmp_path: Path,
    running_stack: stack.Stack,
    engine_env: dict[str, str],
    wheel: Path,
    front: RecordingFront,
    aws: AwsFront,
) -> Scene:
    """A CodeBuild project whose images no registry has seen."""
    stack.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    return make_scene(tmp_path, front, aws, engine_env, base=base, wheel=wheel)


def _values(scene: Scene) -> dict[str, str]:
    name = scene.name
    return {
        "ACCOUNT": iam.ACCOUNT,
        "REGION": iam.REGION,
        "PROJECT": name,
        "CODEBUILD_PROJECT": name,
        "CODEBUILD_ROLE": "codebuild",
        "BATCH_PROJECT": f"{name}-builds",
        "PIPELINE_BUCKET": "pipeline",
        "FAMILY": name,
        "CLUSTER": name,
        "EXECUTION_ROLE": f"{name}-execution",
        "TASK_ROLE": f"{name}-task",
        "TASK_LOG_GROUP": f"/{name}",
        "TARGET_ACCOUNT": iam.ACCOUNT,  # one registry plays both accounts; the prefixes are apart
        "TARGET_REGION": iam.REGION,
        "TARGET_PREFIX": f"{name}-prod",
    }


def _check(scene: Scene, policy: str, recorded: set[tuple[str, str]], reasons: dict[str, str]) -> None:
    """Compare a policy with what was asked: neither too little nor too much."""
    found = iam.read_policy(TEMPLATES / "policies" / f"{policy}.json", _values(scene))
    assert [pair for pair in sorted(recorded) if not iam.allows(found, *pair)] == []
    asked = {action for action, _ in recorded}
    assert iam.granted(found) - asked == set(reasons)


def _handed_on(scene: Scene, done: BuildResult) -> tuple[list[str], list[str]]:
    """Return what was built and what was there, after a look at the digests."""
    assert done.succeeded, done.output
    images = json.loads(done.exported["PK_IMAGES"])
    assert list(images) == ["base", "api"]
    assert all(re.fullmatch(PUSHED.format(name=scene.name, image=image), pinned) for image, pinned in images.items())
    return json.loads(done.exported["PK_BUILT"]), json.loads(done.exported["PK_SKIPPED"])


def _nothing_handed_on(done: BuildResult, phase: str = "build") -> None:
    """After a failure post_build ran, exported nothing, and said so; the report is an artifact all the same."""
    assert (done.phases[phase], done.phases["post_build"]) == ("FAILED", "SUCCEEDED"), done.output
    assert {done.exported[name] for name in ("PK_IMAGES", "PK_BUILT", "PK_SKIPPED")} == {""}
    assert "nothing is handed on" in done.output


def _files(done: BuildResult) -> list[str]:
    return [path.name for path in done.artifacts]


def test_build(scene: Scene) -> None:
    """Build, then nothing to do, then a failure; layers of what did not change come from the registry's cache."""
    assert _handed_on(scene, first := scene.build("build")) == (["base", "api"], [])
    assert _files(first) == ["report.json", "prod-api.json"]
    again = scene.build("build")
    assert _handed_on(scene, again) == ([], ["base", "api"])
    assert again.exported["PK_IMAGES"] == first.exported["PK_IMAGES"]
    scene.commit("services/api/src/app.py", "echo two\n")
    assert _handed_on(scene, scene.build("build")) == (["api"], ["base"])
    only = scene.build("build", PK_ONLY="base")
    assert (json.loads(only.exported["PK_SKIPPED"]), _files(only)) == (["base"], ["report.json"])
    scene.break_image()
    _nothing_handed_on(failed := scene.build("build"))
    assert _files(failed) == ["report.json"]
    _check(scene, "build", scene.recorded(), {**SERVICES_OWN, **TOKEN})


def test_a_source_without_git(scene: Scene) -> None:
    """CodePipeline's zip: a clone's tags, imagedefinitions.json for the deploy action, nothing after a failure."""
    zipped = {"CODEBUILD_INITIATOR": "codepipeline/shop", "CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::pipeline/a.zip"}
    scene.environment.pop("CODEBUILD_WEBHOOK_TRIGGER")
    first = scene.build("codepipeline-without-git", scene.archive(), **zipped)
    assert _handed_on(scene, first) == (["base", "api"], [])
    assert _files(first) == ["imagedefinitions.json", "report.json"]
    told = json.loads(first.artifacts[0].read_text(encoding="utf-8"))
    assert told == [{"name": "api", "imageUri": json.loads(first.exported["PK_IMAGES"])["api"]}]
    assert _handed_on(scene, scene.build("codepipeline-without-git")) == ([], ["base", "api"])
    scene.commit("services/api/src/app.py", "echo two\n")
    assert _handed_on(scene, scene.build("codepipeline-without-git", scene.archive(), **zipped)) == (["api"], ["base"])
    scene.break_image()
    _nothing_handed_on(scene.build("codepipeline-without-git", scene.archive(), **zipped))
    _check(scene, "codepipeline-without-git", scene.recorded(), {**SERVICES_OWN, **TOKEN, **BUCKET})


def test_blue_green(scene: Scene) -> None:
    """The three files of CodePipeline's blue/green action, by digest; nothing after a failure."""
    first = scene.build("blue-green", scene.archive())
    assert _handed_on(scene, first) == (["base", "api"], [])
    files = {path.name: path.read_text(encoding="utf-8") for path in first.artifacts}
    assert list(files) == ["appspec.yaml", "imageDetail.json", "report.json", "taskdef.json"]
    assert json.loads(files["imageDetail.json"]) == {"ImageURI": json.loads(first.exported["PK_IMAGES"])["api"]}
    assert json.loads(files["taskdef.json"])["containerDefinitions"][0]["image"] == "<IMAGE1_NAME>"
    (resource,) = yaml.safe_load(files["appspec.yaml"])["Resources"]
    properties = resource["TargetService"]["Properties"]
    assert properties["TaskDefinition"] == "<TASK_DEFINITION>"
    assert properties["LoadBalancerInfo"] == {"ContainerName": "api", "ContainerPort": 8080}
    assert _handed_on(scene, scene.build("blue-green", PK_SERVICE="prod/api")) == ([], ["base", "api"])
    two = scene.build("blue-green", _with_two_images(scene))
    assert _handed_on(scene, two) == (["api"], ["base"])
    shown = yaml.safe_load(re.findall(r"```yaml\n(.+?)```", DOCS, re.DOTALL)[0])["artifacts"]["secondary-artifacts"]
    source = two.artifacts[0].parents[1]
    found = [
        [name for name in item["files"] if (source / item["base-directory"] / name).is_file()]
        for item in shown.values()
    ]
    assert found == [["taskdef.json", "appspec.yaml"], ["imageDetail.json"], ["imageDetail.json"]]
    _nothing_handed_on(scene.build("blue-green", PK_SERVICE="web"))
    scene.break_image()
    _nothing_handed_on(scene.build("blue-green"))
    _check(scene, "blue-green", scene.recorded(), {**SERVICES_OWN, **TOKEN, **BUCKET})


def _with_two_images(scene: Scene) -> Path:
    """Commit another api, and a second container that runs another image; return a checkout."""
    document = definition(scene.name)
    document["containerDefinitions"].append({"name": "tool", "image": "later", "memory": 64})
    scene.job.write("ecs.json", json.dumps(document))
    config = scene.job.directory / "pipeline-kit.yaml"
    scene.job.write(
        "pipeline-kit.yaml", config.read_text(encoding="utf-8").replace("{api: api}", "{api: api, tool: base}")
    )
    scene.commit("services/api/src/app.py", "echo two\n")
    return scene.checkout()


def test_pull_request_plan(scene: Scene) -> None:
    """The plan as Markdown and as a file; work or none is exported; what could not be asked fails the build."""
    pull = {"CODEBUILD_WEBHOOK_TRIGGER": "pr/7", "CODEBUILD_WEBHOOK_EVENT": "PULL_REQUEST_CREATED"}
    first = scene.build("pull-request-plan", None, **pull)
    assert first.succeeded, first.output
    assert first.exported == {"PK_WORK": "true"}
    assert _files(first) == ["plan.json", "plan.md"]
    assert first.artifacts[1].read_text(encoding="utf-8").startswith("<!-- pipeline-kit plan -->")
    recorded = scene.recorded()
    assert _handed_on(scene, scene.build("build")) == (["base", "api"], [])
    scene.recorded()
    assert scene.build("pull-request-plan", None, **pull).exported == {"PK_WORK": "false"}
    scene.front.refused = "(HEAD|GET) .*"
    denied = scene.build("pull-request-plan", None, **pull)
    assert (denied.phases["build"], denied.exported) == ("FAILED", {"PK_WORK": ""}), denied.output
    _check(scene, "pull-request-plan", recorded | scene.recorded(), {**SERVICES_OWN, **TOKEN})


def test_cross_account(scene: Scene) -> None:
    """Built here, copied there by digest, with a tag moved; again nothing is sent; a refusal there fails the build."""
    target = f"{scene.front.host}/{scene.name}-prod"
    first = scene.build("cross-account-ecr", PK_TARGET=target, PK_TAGS="live")
    assert _handed_on(scene, first) == (["base", "api"], [])
    assert _files(first) == ["promoted.json", "report.json"]
    copied = json.loads(first.artifacts[0].read_text(encoding="utf-8"))["images"]
    ours = json.loads(first.exported["PK_IMAGES"])
    assert {name: image["digest"] for name, image in copied.items()} == {
        name: pinned.rpartition("@")[2] for name, pinned in ours.items()
    }
    assert copied["api"]["tags"]["live"]["state"] == "moved"
    again = scene.build("cross-account-ecr", PK_TARGET=target)
    assert _handed_on(scene, again) == ([], ["base", "api"])
    assert "2 unchanged" in again.output
    scene.commit("services/api/src/app.py", "echo two\n")
    scene.front.refused = f"POST /v2/{scene.name}-prod/.*"
    _nothing_handed_on(scene.build("cross-account-ecr", PK_TARGET=target))
    _check(scene, "cross-account-ecr", scene.recorded(), {**SERVICES_OWN, **TOKEN})


def _batch_scene(scene: Scene, aws: AwsFront) -> FakeCodeBuild:
    """Let batches run in a project of their own, and be looked at often."""
    scene.environment.update(PIPELINE_KIT_CODEBUILD_BATCH_POLL="0.2", PK_BATCH_PROJECT=f"{scene.name}-builds")
    aws.codebuild = FakeCodeBuild(scene.batch)
    return aws.codebuild


def test_batch(scene: Scene, aws: AwsFront) -> None:
    """A generated batch, carried out build by build in dependency order, ends with all images in the registry."""
    codebuild = _batch_scene(scene, aws)
    first = scene.build("batch")
    assert _handed_on(scene, first) == ([], ["base", "api"])  # the batch built them
    assert _files(first) == ["batch.yml", "report.json"]
    (batch,) = codebuild.batches.values()
    commit = scene.job.git("rev-parse", "HEAD").strip()
    assert batch.request["sourceVersion"] == f"refs/heads/main^{{{commit}}}"
    assert batch.variables == {"PK_PACKAGE": scene.environment["PK_PACKAGE"], "PK_DIRECTORY": "."}
    assert {node["identifier"]: node.get("depend-on", []) for node in batch.nodes()} == {"base": [], "api": ["base"]}
    assert batch.states == {"base": "SUCCEEDED", "api": "SUCCEEDED"}
    assert "api: SUCCEEDED https://eu-west-1.console.aws.amazon.com/" in first.output

    recorded = scene.recorded()
    scene.commit("services/api/src/app.py", "echo two\n")
    assert scene.job.kit("build").returncode == 0  # another commit, built elsewhere
    scene.recorded()
    scene.commit("services/api/src/app.py", "print(1)\n")
    back = scene.build("batch")  # what is there already: its alias moves without a batch
    assert _handed_on(scene, back) == ([], ["base", "api"])
    assert "nothing to build: no batch is started" in back.output
    assert scene.job.digest("api", "newest") == scene.images()["api"]
    assert len(codebuild.batches) == 1

    scene.commit("base/base.txt", "another base\n")
    scene.break_image()
    _nothing_handed_on(failed := scene.build("batch"))
    assert list(codebuild.batches.values())[-1].states == {"base": "SUCCEEDED", "api": "FAILED"}
    assert "the batch ended as FAILED: api" in failed.output
    assert codebuild.invalid == []
    stop = {"codebuild:StopBuildBatch": "an interrupted build stops its batch: test_an_interruption_stops_the_batch"}
    _check(scene, "batch", recorded | scene.recorded(), {**SERVICES_OWN, **TOKEN, **stop})
    builds = iam.read_policy(TEMPLATES / "policies" / "build.json", _values(scene))
    assert [pair for pair in scene.batch_asked if not iam.allows(builds, *pair)] == []


def test_batch_by_platform(scene: Scene, aws: AwsFront, running_stack: stack.Stack) -> None:
    """Each platform in a build of its own, arm64 in an arm environment; a last build joins what they pushed."""
    platforms = ("linux/amd64", "linux/arm64")
    stack.seed_base(running_stack.engine, running_stack.registry, "library/busybox", "several", platforms=platforms)
    text = (scene.job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8")
    text = text.replace("busybox:1.36", "busybox:several")
    scene.job.write("pipeline-kit.yaml", f"{text}defaults: {{platforms: [{', '.join(platforms)}]}}\n")
    scene.commit("services/api/Dockerfile", "FROM base\nCOPY src /src\n")
    codebuild = _batch_scene(scene, aws)
    done = scene.build("batch", PIPELINE_KIT_PLAN_PER_PLATFORM="1")
    assert _handed_on(scene, done) == ([], ["base", "api"])
    (batch,) = codebuild.batches.values()
    assert {node["identifier"]: node.get("depend-on", []) for node in batch.nodes()} == {
        "base_linux_amd64": [],
        "base_linux_arm64": [],
        "api_linux_amd64": ["base_linux_amd64"],
        "api_linux_arm64": ["base_linux_arm64"],
        "join_platforms": ["base_linux_amd64", "base_linux_arm64", "api_linux_amd64", "api_linux_arm64"],
    }
    types = {node["identifier"]: node["env"].get("type", "") for node in batch.nodes()}
    assert [name for name, kind in types.items() if kind == "ARM_CONTAINER"] == ["base_linux_arm64", "api_linux_arm64"]
    index = json.loads(scene.job.fetch(f"{scene.name}/api/manifests/newest") or b"{}")
    found = [item["platform"]["architecture"] for item in index["manifests"]]
    assert {"amd64", "arm64"} <= set(found)
    assert codebuild.invalid == []


@pytest.fixture
def cluster(scene: Scene, aws: AwsFront, engine_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The service, in an ECS that runs real containers; it runs the base image for ever."""
    import boto3

    aws.upstream = aws_double.ensure(engine_env).url
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    ecs, trust = boto3.client("ecs"), {"Statement": [{"Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}
    for role in ("execution", "task"):
        boto3.client("iam").create_role(
            RoleName=f"{scene.name}-{role}", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust})
        )
    boto3.client("logs").create_log_group(logGroupName=f"/{scene.name}")
    ecs.create_cluster(clusterName=scene.name)
    base = scene.job.directory.joinpath("pipeline-kit.yaml").read_text(encoding="utf-8").partition('BASE: "')[2]
    first = {"name": "api", "image": base.partition('"')[0], "memory": 64, "command": ["sleep", "600"]}
    ecs.register_task_definition(family=scene.name, networkMode="host", containerDefinitions=[first])
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    where = {"cluster": scene.name, "taskDefinition": scene.name, "desiredCount": 1}
    ecs.create_service(serviceName="api", deploymentConfiguration=breaker, **where)
    aws.calls.clear()
    yield ecs
    ecs.update_service(cluster=scene.name, service="api", desiredCount=0)
    ecs.delete_service(cluster=scene.name, service="api", force=True)


def test_build_and_deploy(scene: Scene, aws: AwsFront, cluster: Any) -> None:
    """From source to a running container by digest; again nothing; a rollback fails the build with the reason."""
    scene.commit("services/api/src/app.py", "echo started\n")
    first = scene.build("build-and-deploy")
    assert _handed_on(scene, first) == (["base", "api"], [])
    (service,) = cluster.describe_services(cluster=scene.name, services=["api"])["services"]
    running = cluster.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert running["containerDefinitions"][0]["image"] == json.loads(first.exported["PK_IMAGES"])["api"]
    again = scene.build("build-and-deploy", PK_SERVICES="prod/api")
    assert _handed_on(scene, again) == ([], ["base", "api"])
    assert re.search(r"^prod/api \S+ unchanged$", again.output, re.MULTILINE)
    scene.commit("services/api/src/app.py", "echo no database; exit 4\n")
    _nothing_handed_on(failed := scene.build("build-and-deploy"))
    assert "rolled_back_breaker" in failed.output
    assert "| no database" in failed.output
    recorded = scene.recorded() | _asked_of_service_deployments(scene, aws)
    scene.break_image()
    _nothing_handed_on(broken := scene.build("build-and-deploy"))
    assert "prod/api" not in broken.output
    _check(scene, "build-and-deploy", recorded | scene.recorded(), {**SERVICES_OWN, **TOKEN})


def _asked_of_service_deployments(scene: Scene, aws: AwsFront) -> set[tuple[str, str]]:
    """Deploy to the ECS double that has service deployments, whose cluster is called prod; return what was asked."""
    text = (scene.job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8")
    scene.commit("pipeline-kit.yaml", text.replace(f"cluster: {scene.name}", "cluster: prod"))
    with FakeEcs() as ecs:
        older = definition(scene.name)
        older["containerDefinitions"][0]["image"] = "older"
        service = ecs.state.service("api", ecs.state.family(older))
        service.scripts = [[Frame(), DEPLOYED]]
        aws.upstreams.update(ecs=ecs.url)
        done = scene.build("build-and-deploy")
        assert done.succeeded, done.output
        assert service.definition.endswith(f"{scene.name}:2")
        assert ecs.invalid == []
    aws.upstreams.clear()
    scene.commit("pipeline-kit.yaml", text)
    return {(action, re.sub("/prod(?=/|$)", f"/{scene.name}", resource)) for action, resource in scene.recorded()}


def test_ecr_itself_is_asked_with_the_roles_token(scene: Scene, aws: AwsFront, running_stack: stack.Stack) -> None:
    """With ECR's real host name, the one further right is GetAuthorizationToken; the token goes to that host alone."""
    with RegistryFront(ECR, running_stack.registry) as ecr:
        token = base64.b64encode(f"AWS:{ECR.pusher.password}".encode()).decode()
        aws.answers["ecr:GetAuthorizationToken"] = {"authorizationData": [{"authorizationToken": token}]}
        ecr.repositories |= {f"{scene.name}/base", f"{scene.name}/api"}
        text = (scene.job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8")
        text = text.replace(f"registry: {scene.front.host}", f"registry: {ECR.host}\nplain_http: ['{ECR.host}']")
        scene.commit("pipeline-kit.yaml", text)
        proxy = {"http_proxy": f"http://{ecr.address}", "no_proxy": "127.0.0.1", "HOME": str(scene.place)}
        done = scene.build("pull-request-plan", None, DOCKER_CONFIG=str(scene.place), **proxy)
        assert done.exported == {"PK_WORK": "true"}, done.output
        assert {item.headers["host"] for item in ecr.log} == {ECR.host}
        assert [item for item in ecr.log if item.method == "HEAD"]
    assert scene.recorded() == {("ecr:GetAuthorizationToken", "*")}
