"""ECS's uses against the double, ECR's images against moto: nothing is missed, and what moved meanwhile stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from fakes.fake_ecs import FakeEcs
from fakes.fake_ecs_usage import UsageState

from pipeline_kit.adapters.aws.ecr_images import EcrImages
from pipeline_kit.adapters.aws.ecs_clients import AwsClients
from pipeline_kit.adapters.aws.ecs_usage import EcsUsage
from pipeline_kit.errors import AuthorizationDenied, PipelineKitError
from pipeline_kit.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "123456789012"
SHOP = Reference(f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "shop/web")


def digest(letter: str) -> str:
    """Return a digest."""
    return f"sha256:{letter * 64}"


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeEcs, UsageState]]:
    """Give an ECS double, and see that all that was said fits botocore's models."""
    state = UsageState()
    with FakeEcs(state) as fake:
        fake.lead(monkeypatch)
        yield fake, state
        assert not fake.invalid


def family(state: UsageState, name: str, *letters: str) -> list[str]:
    """Register a revision for each digest; return the ARNs."""
    return [
        state.family({"family": name, "containerDefinitions": [{"name": "c", "image": f"x/y@{digest(letter)}"}]})
        for letter in letters
    ]


def test_every_source_of_ecs_is_read_page_by_page(ecs: tuple[FakeEcs, UsageState]) -> None:
    """Running tasks outside services too, what deployments resolved, and the newest revisions of all families seen."""
    _, state = ecs
    revisions = family(state, "web", "1", "2", "3", "4", "5")
    batch = family(state, "batch", "6", "7")
    state.service("web", revisions[0])
    state.service("other", family(state, "other", "8")[0])
    state.service("third", family(state, "third", "9")[0])
    state.resolved[revisions[0]] = digest("a")
    for letter in "bcd":
        state.run(batch[0], digest(letter))
    found = EcsUsage(AwsClients()).uses("prod", {"named"}, {family(state, "planned", "e")[0]}, 2)
    assert set(found.digests) == {digest(letter) for letter in "1456789abcde"}
    assert found.tags == {"v0": found.tags["v0"]}
    assert found.digests[digest("b")].startswith("running task ")
    assert found.digests[digest("a")] == "a deployment of service web"
    assert found.digests[digest("4")] == "task definition web:4"


def test_a_revision_that_was_deleted_for_good_keeps_nothing(ecs: tuple[FakeEcs, UsageState]) -> None:
    """The history of a service names it for 90 days; the others of its family are kept."""
    _, state = ecs
    family(state, "web", "1")
    gone = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:9"
    assert set(EcsUsage(AwsClients()).uses("prod", (), {gone}, 2).digests) == {digest("1")}


@pytest.mark.parametrize(
    "operation",
    [
        *("ListTasks", "DescribeTasks", "ListServices", "DescribeServices", "ListServiceDeployments"),
        *("DescribeServiceRevisions", "ListTaskDefinitions", "DescribeTaskDefinition"),
    ],
)
def test_each_question_that_is_denied_is_an_error(ecs: tuple[FakeEcs, UsageState], operation: str) -> None:
    """Half an answer would delete what the other half keeps."""
    fake, state = ecs
    (revision,) = family(state, "web", "1")
    state.service("web", revision)
    state.run(revision, digest("2"))
    fake.fail(operation, "AccessDeniedException", "no")
    with pytest.raises(AuthorizationDenied):
        EcsUsage(AwsClients()).uses("prod", (), (), 2)


@pytest.fixture
def ecr(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of an ECR with one empty repository."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    # Every server of a process has one state in common, and other files' tests leave theirs.
    urllib3.request("POST", f"{aws_endpoint}/moto-api/reset")
    client = boto3.client("ecr")
    client.create_repository(repositoryName="shop/web")
    yield client
    client.delete_repository(repositoryName="shop/web", force=True)


def put(ecr: Any, tag: str | None, content: str) -> str:
    """Put a plain image and return its digest."""
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest("0"), "size": 1}
    layer = {"digest": f"sha256:{content.encode().hex():0>64}", "size": 1}  # moto makes the digest of the layers alone
    document = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [layer]}
    named = {"imageTag": tag} if tag else {}
    answer = ecr.put_image(repositoryName="shop/web", imageManifest=json.dumps(document), **named)
    return str(answer["image"]["imageId"]["imageDigest"])


def store() -> EcrImages:
    """Return what is tested."""
    return EcrImages(AwsClients("eu-west-1"), ACCOUNT)


def test_ecr_lists_and_deletes(ecr: Any) -> None:
    """Images by digest with all their tags and the time of the push; several tags of one image go together."""
    first, second = put(ecr, "v1", "a"), put(ecr, "v3", "b")
    put(ecr, "v2", "a")
    images = {image.digest: image for image in store().images(SHOP)}
    assert images[first].tags == ("v1", "v2")
    assert images[first].created is not None
    assert {r.outcome for r in store().remove(SHOP, [images[first]])} == {"deleted"}
    assert [image.digest for image in store().images(SHOP)] == [second]
    (gone,) = store().remove(SHOP, [images[first]])
    assert gone.outcome == "absent"


def test_ecr_leaves_what_moved_or_got_another_tag(ecr: Any) -> None:
    """Tag and digest are deleted together: the tag's new image and an image with a new name stay."""
    put(ecr, "a", "first")
    put(ecr, "b", "second")
    planned = store().images(SHOP)
    put(ecr, "a", "third")
    put(ecr, "c", "second")
    done = {removal.image.tags[0]: removal for removal in store().remove(SHOP, planned)}
    # In ECR an image that lost its tag is there without one; moto forgets it.
    assert done["a"].outcome in ("left", "absent")
    assert (done["b"].outcome, done["b"].detail) == ("left", "tag c names it by now")
    assert {tag for image in store().images(SHOP) for tag in image.tags} >= {"a", "c"}


def test_ecr_without_the_repository_or_without_an_answer(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that is missing has no images; anything else raises."""
    del ecr
    assert store().images(Reference(SHOP.host, "shop/none")) == ()
    monkeypatch.setattr("pipeline_kit.adapters.aws.ecs_clients._ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PipelineKitError):
        store().images(SHOP)


class _Scripted:
    """Answers calls from a table and keeps what was asked, every request validated against botocore's model."""

    def __init__(self, images: list[dict[str, Any]], manifests: dict[str, dict[str, Any]]) -> None:
        self.images, self.manifests = images, manifests
        self.by_digest = {image["imageDigest"]: image for image in images}
        self.failures: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.asked: list[dict[str, Any]] = []

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        from botocore.validate import ParamValidator
        from fakes.fake_ecs import service_model

        shape = service_model(service).operation_model(operation).input_shape
        report = ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        self.calls.append(operation)
        self.asked.append(parameters)
        if operation == "DescribeImages" and "imageIds" in parameters:
            asked = {item["imageDigest"] for item in parameters["imageIds"]}
            assert len(asked) <= 100
            return {"imageDetails": [self.by_digest[one] for one in asked]}
        if operation == "DescribeImages":
            at = int(parameters.get("nextToken", "0"))
            end = at + parameters["maxResults"]
            more = {"nextToken": str(end)} if end < len(self.images) else {}
            return {"imageDetails": self.images[at:end], **more}
        ids = parameters["imageIds"]
        assert len(ids) <= 100
        if operation == "BatchGetImage":
            found = [item["imageDigest"] for item in ids if item["imageDigest"] in self.manifests]
            return {
                "images": [
                    {"imageId": {"imageDigest": one}, "imageManifest": json.dumps(self.manifests[one])} for one in found
                ],
                "failures": [],
            }
        return {"imageIds": [], "failures": self.failures}


def test_ten_thousand_images_in_few_calls() -> None:
    """One call for each thousand images, and one for each hundred indexes; deletion takes one for each hundred."""
    images, manifests = [], {}
    for number in range(5_000):
        parent, child = f"sha256:{number:064x}", f"sha256:{number + 5_000:064x}"
        images.append({"imageDigest": parent, "imageTags": [f"{number:040x}"], "imageManifestMediaType": OCI_INDEX})
        images.append({"imageDigest": child, "imageManifestMediaType": OCI_MANIFEST})
        manifests[parent] = {"manifests": [{"digest": child}]}
    scripted = _Scripted(images, manifests)
    listed = EcrImages(scripted, ACCOUNT).images(SHOP)  # type: ignore[arg-type]
    assert len(listed) == 10_000
    assert listed[0].children == (listed[1].digest,)
    assert (scripted.calls.count("DescribeImages"), scripted.calls.count("BatchGetImage")) == (10, 50)
    scripted.calls.clear()
    manifests.clear()
    done = EcrImages(scripted, ACCOUNT).remove(SHOP, listed)  # type: ignore[arg-type]
    assert {one.outcome for one in done} == {"deleted"}
    assert (scripted.calls.count("DescribeImages"), scripted.calls.count("BatchDeleteImage")) == (100, 100)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("ImageNotFound", "absent"),
        ("ImageTagDoesNotMatchDigest", "left"),
        ("ImageReferencedByManifestList", "failed"),
        ("KmsError", "failed"),
    ],
)
def test_each_failure_that_ecr_tells(code: str, outcome: str) -> None:
    """A failure of one image is its own; the others are deleted."""
    images = [{"imageDigest": digest(letter), "imageTags": [letter]} for letter in "ab"]
    scripted = _Scripted(images, {})
    scripted.failures = [{"imageId": {"imageDigest": digest("a"), "imageTag": "a"}, "failureCode": code}]
    found = EcrImages(scripted, ACCOUNT)  # type: ignore[arg-type]
    assert [one.outcome for one in found.remove(SHOP, found.images(SHOP))] == [outcome, "deleted"]
