"""A write that is repeated comes later than it was decided: what others wrote meanwhile stays (design D5, D6)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes.fault_proxy import FaultProxy
from faults.runner import ALIAS, Order, run

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.errors import TagConflict

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.registry


@pytest.fixture
def proxy(registry_host: str) -> Iterator[FaultProxy]:
    """Give a proxy before the real registry."""
    with FaultProxy(registry_host) as running:
        yield running


@pytest.fixture
def order(proxy: FaultProxy) -> Order:
    """Return what a first run is about."""
    return Order(proxy.host, f"late-{secrets.token_hex(6)}", 5, {"app": 5})


def test_another_runners_image_is_not_overwritten_by_a_repeated_put(proxy: FaultProxy, order: Order) -> None:
    """The content tag's PUT fails, another runner writes the tag, and ours is not sent again: one digest for all."""
    theirs = {}
    busy = f"/app/manifests/{order.tag('app')}$"

    def overtake() -> None:
        theirs.update(run(replace(order, host=proxy.upstream)).digests)

    proxy.add("answer", method="PUT", path=busy, status=503, also=overtake)
    ours = run(order)
    assert (ours.code, ours.statuses, ours.digests) == (0, {"app": "reused"}, theirs)
    assert len(proxy.hits("PUT", busy)) == 1


def test_a_newer_commits_alias_is_not_taken_back_by_a_repeated_put(proxy: FaultProxy, order: Order) -> None:
    """The alias's PUT fails, a newer commit's run moves the alias, and ours leaves it there."""
    newer = {}
    busy = f"/app/manifests/{ALIAS}$"

    def overtake() -> None:
        newer.update(run(replace(order, host=proxy.upstream, commit=9, keys={"app": 9})).digests)

    proxy.add("answer", method="PUT", path=busy, status=503, also=overtake)
    ours = run(order)
    assert (ours.code, ours.aliases) == (0, {"app": "skipped"})
    client = ContentClient(environment={})
    assert client.observe(order.repository("app").with_tag(ALIAS)).digest == newer["app"]
    client.close()


def test_what_may_be_written_over(order: Order) -> None:
    """A tag that names something else than was thought is a conflict, told by both digests, and no PUT is sent."""
    run(order)
    digest = run(replace(order, commit=6, keys={"app": 6})).digests["app"]
    client = ContentClient(environment={})
    other = order.repository("app").with_tag(order.tag("app"))
    manifest = client.manifest(other)
    tagged = other.with_tag(ALIAS)
    with pytest.raises(TagConflict, match=str(digest)):
        client.put_manifest(tagged, manifest, instead_of=(None, manifest.digest))
    assert client.put_manifest(tagged, manifest, instead_of=(None, digest)) == manifest.digest
    assert client.put_manifest(tagged, manifest, instead_of=()) == manifest.digest
    client.close()
