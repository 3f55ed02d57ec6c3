"""The images of an ECR repository through ECR's own API.

Sources: ECR API reference (DescribeImages, BatchGetImage, BatchDeleteImage); botocore's model. Right before
images are deleted their tags are looked at again; a tag is named with its digest, which ECR refuses once the tag names
another image.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import AwsRefused, PipelineKitError
from pipeline_kit.manifest import ACCEPTED, INDEX_TYPES
from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.ports.images import Removal
from pipeline_kit.retention import StoredImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.reference import Reference

_PAGE = 1000
_BATCH = 100
_IMAGE_TYPES = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
_MISSING = "ImageNotFound"
_MOVED = frozenset({"ImageTagDoesNotMatchDigest"})


class EcrImages:
    """Implements :class:`pipeline_kit.ports.images.ImageStore` upon one ECR registry (an account in a region)."""

    def __init__(self, clients: AwsClients, account: str) -> None:
        self._clients = clients
        self._account = account

    def images(self, repository: Reference) -> tuple[StoredImage, ...]:
        """Return every image: one call for each thousand, and one for each hundred indexes and artifacts."""
        details = list(self._details(repository))
        linked = [item["imageDigest"] for item in details if _may_link(item)]
        links = self._links(repository, linked)
        return tuple(_stored(item, *links.get(item["imageDigest"], ((), ""))) for item in details)

    def remove(self, repository: Reference, images: Sequence[StoredImage]) -> tuple[Removal, ...]:
        """Delete images, a hundred tags or digests a call, each hundred after a look at their tags."""
        done: dict[str, Removal] = {}
        for batch in _batches(images):
            ready = []
            try:
                now = self._tags_of(repository, batch)
            except PipelineKitError as error:
                done.update({image.digest: Removal(image, "failed", error.message) for image in batch})
                continue
            for image in batch:
                changed = _change(image, now.get(image.digest))
                if changed is None:
                    ready.append(image)
                else:
                    done[image.digest] = changed
            if ready:
                done.update({removal.image.digest: removal for removal in self._remove_batch(repository, ready)})
        return tuple(done[image.digest] for image in images)

    def _tags_of(self, repository: Reference, batch: Sequence[StoredImage]) -> dict[str, frozenset[str]]:
        """Return the tags that images of ``batch`` have now; DescribeImages raises where one of them is gone."""
        ids = [{"imageDigest": image.digest} for image in batch]
        try:
            found = self._call("DescribeImages", repository, imageIds=ids)["imageDetails"]
        except AwsRefused as error:
            if error.code != "ImageNotFoundException":
                raise
            found = list(self._details(repository))
        return {item["imageDigest"]: frozenset(item.get("imageTags") or ()) for item in found}

    def _details(self, repository: Reference) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            try:
                answer = self._call("DescribeImages", repository, maxResults=_PAGE, **more)
            except AwsRefused as error:
                if error.code == "RepositoryNotFoundException":
                    return
                raise
            yield from answer["imageDetails"]
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}

    def _links(self, repository: Reference, digests: Sequence[str]) -> dict[str, tuple[tuple[str, ...], str]]:
        """Return children and subject by digest, from the manifests themselves."""
        found: dict[str, tuple[tuple[str, ...], str]] = {}
        for start in range(0, len(digests), _BATCH):
            ids = [{"imageDigest": digest} for digest in digests[start : start + _BATCH]]
            answer = self._call("BatchGetImage", repository, imageIds=ids, acceptedMediaTypes=list(ACCEPTED))
            for failure in answer.get("failures", ()):
                if failure.get("failureCode") != _MISSING:  # gone since it was listed
                    raise AwsRefused(f"AWS refuses ecr:BatchGetImage: {_told(failure)}", code="Failure")
            for image in answer.get("images", ()):
                found[image["imageId"]["imageDigest"]] = _links_of(image["imageManifest"])
        return found

    def _remove_batch(self, repository: Reference, images: Sequence[StoredImage]) -> Iterator[Removal]:
        ids = [item for image in images for item in _ids(image)]
        try:
            answer = self._call("BatchDeleteImage", repository, imageIds=ids)
        except PipelineKitError as error:
            yield from (Removal(image, "failed", error.message) for image in images)
            return
        owner = {tag: image.digest for image in images for tag in image.tags}
        deleted = {item.get("imageDigest") for item in answer.get("imageIds", ())}
        failed: dict[str, dict[str, Any]] = {}
        for failure in answer.get("failures", ()):
            asked = failure.get("imageId") or {}
            failed.setdefault(str(asked.get("imageDigest") or owner.get(str(asked.get("imageTag")))), failure)
        for image in images:
            failure = failed.get(image.digest)
            code = failure.get("failureCode") if failure else None
            if failure is None or (code == _MISSING and image.digest in deleted):
                yield Removal(image, "deleted")
            elif code == _MISSING:
                yield Removal(image, "absent", "gone meanwhile")
            elif code in _MOVED:
                yield Removal(image, "left", "a tag of it was moved meanwhile")
            else:
                yield Removal(image, "failed", _told(failure))

    def _call(self, operation: str, repository: Reference, **parameters: Any) -> dict[str, Any]:
        return self._clients.call(
            "ecr", operation, registryId=self._account, repositoryName=repository.repository, **parameters
        )


def _may_link(item: dict[str, Any]) -> bool:
    """Return whether an image can have children or a subject: only a plain image cannot."""
    artifact = item.get("artifactMediaType")
    return item.get("imageManifestMediaType") in INDEX_TYPES or (artifact is not None and artifact not in _IMAGE_TYPES)


def _links_of(text: str) -> tuple[tuple[str, ...], str]:
    try:
        document = json.loads(text)
        children = tuple(str(item["digest"]) for item in document.get("manifests") or ())
        subject = str((document.get("subject") or {}).get("digest") or "")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AwsRefused("ecr:BatchGetImage gives a manifest that cannot be read", code="Manifest") from error
    return children, subject


def _stored(item: dict[str, Any], children: tuple[str, ...], subject: str) -> StoredImage:
    return StoredImage(
        digest=item["imageDigest"],
        tags=tuple(sorted(item.get("imageTags") or ())),
        created=_seconds(item.get("imagePushedAt")),
        children=children,
        subject=subject or str(item.get("subjectManifestDigest") or ""),
        size=int(item.get("imageSizeInBytes") or 0),
        pulled=_seconds(item.get("lastRecordedPullTime")),
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _change(image: StoredImage, now: frozenset[str] | None) -> Removal | None:
    """Return why an image is not to be deleted after all, ``None`` where its tags are what they were."""
    if now is None:
        return Removal(image, "absent", "gone meanwhile")
    if now == frozenset(image.tags):
        return None
    more = sorted(now.difference(image.tags))
    return Removal(image, "left", f"tag {more[0]} names it by now" if more else "a tag of it was moved meanwhile")


def _ids(image: StoredImage) -> list[dict[str, str]]:
    if not image.tags or len(image.tags) > _BATCH:
        return [{"imageDigest": image.digest}]
    return [{"imageDigest": image.digest, "imageTag": tag} for tag in image.tags]


def _batches(images: Sequence[StoredImage]) -> Iterator[list[StoredImage]]:
    """Yield images whose tags and digests fit in one call; one with more tags than that goes by its digest alone."""
    batch: list[StoredImage] = []
    count = 0
    for image in images:
        size = len(_ids(image))
        if batch and count + size > _BATCH:
            yield batch
            batch, count = [], 0
        batch.append(image)
        count += size
    if batch:
        yield batch


def _told(failure: dict[str, Any]) -> str:
    parts = (failure.get("failureCode"), failure.get("failureReason"))
    return one_line(" ".join(str(part) for part in parts if part)) or "no reason"
