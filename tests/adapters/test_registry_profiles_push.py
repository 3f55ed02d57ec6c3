"""Writing manifests to every registry of the field: new repositories, missing rights, immutable tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.registry_profiles import WITH_FRONT, WITH_READER, having

from pipeline_kit.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    RegistryRefused,
    TagConflict,
)
from pipeline_kit.plan import Verdict

if TYPE_CHECKING:
    from fakes.registry_scene import RegistryScene

pytestmark = pytest.mark.registry


def test_the_first_push_to_a_new_repository(scene: RegistryScene) -> None:
    """A push makes the repository where it can; else it is refused with what to do, and nothing is there."""
    reference = scene.missing()
    manifest = scene.store_unseen(reference)
    client = scene.client()
    if scene.profile.creates_on_push:
        assert client.put_manifest(reference, manifest) == manifest.digest
        assert client.observe(reference).digest == manifest.digest
        return
    with pytest.raises(RegistryRefused) as caught:
        client.put_manifest(reference, manifest)
    assert scene.profile.missing_hint in (caught.value.hint or "")
    assert caught.value.exit_code == 3


@WITH_READER
def test_a_login_that_may_only_pull(scene: RegistryScene) -> None:
    """Pushing with it is refused for good with exit code 3, once, and says so; the tag is not there."""
    scene.put()
    client = scene.reader()
    manifest = client.manifest(scene.reference())
    with pytest.raises(RegistryRefused) as caught:
        client.put_manifest(scene.reference(tag="new"), manifest)
    assert isinstance(caught.value, AuthorizationDenied | AuthenticationFailed)
    assert isinstance(caught.value, AuthorizationDenied) == (scene.profile.push_denied.status == 403)
    assert caught.value.exit_code == 3
    assert client.statistics.retries == []
    assert scene.client().observe(scene.reference(tag="new")).verdict is Verdict.ABSENT


@WITH_FRONT
def test_a_token_that_expires_before_a_push(scene: RegistryScene) -> None:
    """A manifest is put with a fresh token when the one for pushing has expired."""
    scene.put()
    client = scene.client()
    manifest = client.manifest(scene.reference())
    client.put_manifest(scene.reference(tag="one"), manifest)
    scene.front.expire()
    scene.log_in(scene.front.pusher)
    assert client.put_manifest(scene.reference(tag="two"), manifest) == manifest.digest
    assert client.statistics.retries == []


@having("immutable")
def test_an_immutable_tag_with_the_same_content(scene: RegistryScene) -> None:
    """It is success and nothing is sent, although the registry would refuse even the same content."""
    scene.put()
    scene.front.frozen = True
    client = scene.client()
    manifest = client.manifest(scene.reference())
    assert client.put_manifest(scene.reference(), manifest) == manifest.digest
    assert scene.front.asked("PUT") == []


@having("immutable")
def test_an_immutable_tag_that_another_run_wrote_first(scene: RegistryScene) -> None:
    """A refusal is success when the tag holds our digest by then."""
    scene.put()
    client = scene.client()
    manifest = client.manifest(scene.reference())
    scene.front.frozen = True
    scene.front.appear_late(scene.reference(tag="raced"), manifest)
    assert client.put_manifest(scene.reference(tag="raced"), manifest) == manifest.digest
    assert len(scene.front.asked("PUT")) == 1


@having("immutable")
def test_an_immutable_tag_with_other_content(scene: RegistryScene) -> None:
    """It is a conflict that names both digests, whatever status and words the registry refuses with."""
    held = scene.put()
    other = scene.put(tag="other", content="other")
    scene.front.frozen = True
    client = scene.client()
    with pytest.raises(TagConflict) as caught:
        client.put_manifest(scene.reference(), client.manifest(scene.reference(tag="other")))
    assert held.digest in caught.value.message
    assert other.digest in caught.value.message
    assert client.observe(scene.reference()).digest == held.digest


@having("immutable")
def test_a_new_tag_in_an_immutable_repository(scene: RegistryScene) -> None:
    """Immutability does not keep a new tag from being written."""
    scene.put()
    scene.front.frozen = True
    client = scene.client()
    manifest = client.manifest(scene.reference())
    assert client.put_manifest(scene.reference(tag="new"), manifest) == manifest.digest
