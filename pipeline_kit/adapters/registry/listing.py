"""Lists that come page by page: tags, and the pages of any other listing; and deletion.

Source: OCI distribution specification 1.1, "Listing Tags", "Deleting Tags", "Deleting Manifests"; RFC 8288 (Link).
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline_kit.adapters.registry.addresses import origin_of
from pipeline_kit.adapters.registry.failures import TemporaryFailure, refusal
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.errors import ManifestMissing, RegistryRefused
from pipeline_kit.manifest import MAX_BYTES
from pipeline_kit.reference import is_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.reference import Reference

PAGE = 1000
_MOST_PAGES = 10_000
_LINK_RE = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s;,="]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_NEXT_RE = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)
_DELETING_OFF = (
    "switch deleting on: storage.delete.enabled in the registry's configuration "
    "(REGISTRY_STORAGE_DELETE_ENABLED=true), or the repository's own setting where the registry is a service"
)


class Listing:
    """Listings and deletions of every repository; safe for use by many threads."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tags(self, repository: Reference) -> Iterator[str]:
        """Yield every tag once, page by page; nothing where the repository does not exist.

        Raises RegistryRefused, also for a list that leads elsewhere or in a circle: half a list is no list.
        """
        seen: set[str] = set()
        for answer in self.pages(Call("GET", repository, f"tags/list?n={PAGE}", limit=MAX_BYTES)):
            if answer.status == 404 and "NAME_UNKNOWN" in answer.codes:  # noqa: PLR2004 - HTTP
                return
            if not answer.is_success:
                raise refusal(answer, repository, f"GET {repository.name} tags/list")
            fresh = [tag for tag in _tags(answer, repository) if tag not in seen]
            seen.update(fresh)
            yield from fresh

    def pages(self, call: Call) -> Iterator[Answer]:
        """Yield the answer to ``call`` and those that its Link headers lead to. Raises RegistryRefused for a circle."""
        asked: set[str] = set()
        for _ in range(_MOST_PAGES):
            answer = self._session.run(call.reference, partial(self._session.exchange, call))
            yield answer
            link = next_link(answer.header("link")) if answer.is_success else ""
            if not link:
                return
            url = self._session.follow(call, link, "next page")
            if not self._session.is_own(call.reference, url):
                raise RegistryRefused(f"{call.doing}: the next page is at another host: {origin_of(url).host}")
            if url in asked:
                break
            asked.add(url)
            call = Call(call.method, call.reference, call.path, call.headers, limit=call.limit, url=url)
        raise RegistryRefused(f"{call.doing}: the registry's pages lead in a circle")

    def delete(self, reference: Reference) -> bool:
        """Delete a tag or a manifest by digest; return whether it was there. Raises RegistryRefused and its kin."""
        call = Call("DELETE", reference, f"manifests/{reference.identifier}", actions="delete")
        lost = [False]

        def attempt(deadline: float) -> bool:
            try:
                answer = self._session.exchange(call, deadline)
            except TemporaryFailure:
                lost[0] = True
                raise
            if answer.is_success:
                return True
            if answer.status == 405 or "UNSUPPORTED" in answer.codes:  # noqa: PLR2004 - HTTP
                raise RegistryRefused(f"DELETE {reference}: {answer.describe()}", hint=_DELETING_OFF)
            if answer.status == 400 and not reference.digest:  # noqa: PLR2004 - distribution 2.8 takes digests only
                hint = "this registry deletes by digest only, which takes away every tag of it"
                raise RegistryRefused(f"DELETE {reference}: {answer.describe()}", hint=hint)
            refused = refusal(answer, reference, f"DELETE {reference}")
            if isinstance(refused, ManifestMissing):
                return lost[0]  # an attempt whose answer was lost may have been the one
            raise refused

        return self._session.run(reference, attempt)


def next_link(header: str) -> str:
    """Return the address of a Link header whose relation is ``next``, ``""`` without one."""
    for found in _LINK_RE.finditer(header[:8192]):
        if _NEXT_RE.search(found[2]):
            return found[1]
    return ""


def _tags(answer: Answer, repository: Reference) -> list[str]:
    try:
        document: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    tags = document.get("tags") if isinstance(document, dict) else ()
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in tags):
        raise RegistryRefused(f"GET {repository.name} tags/list: the answer is not a list of tags")
    return tags
