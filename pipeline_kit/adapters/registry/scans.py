"""Scans of Harbor and of Quay, by their HTTP APIs.

Sources: Harbor's API v2.0 (GET artifact with ``with_scan_overview``, POST ``scan``, GET ``additions/vulnerabilities``);
Quay's API v1 (GET ``manifest/{digest}/security``). Credentials are the ones that the registry itself takes, sent as
Basic to its own host alone; Quay's ``$oauthtoken`` is a bearer token.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline_kit.adapters.registry.addresses import base_url
from pipeline_kit.adapters.registry.answers import sanitize
from pipeline_kit.adapters.registry.failures import from_network, refusal, transient
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.transport import Outgoing, Transport
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.ports.scanner import ScanAnswer, ScanState
from pipeline_kit.scan_gate import Finding, severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.credentials import CredentialSource
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.reference import Reference

_LARGEST = 64 * 1024 * 1024
_REPORTS = (
    "application/vnd.security.vulnerability.report; version=1.1,"
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
)
_OAUTH_USER = "$oauthtoken"


class ScanApi:
    """Requests to a registry's own API beside ``/v2/``, with the retries of ``session``."""

    def __init__(
        self, session: Session, transport: Transport, credentials: CredentialSource, plain_http: Collection[str]
    ) -> None:
        self._session = session
        self._transport = transport
        self._credentials = credentials
        self._plain_http = plain_http

    def ask(self, image: Reference, path: str, *, method: str = "GET") -> Answer:
        """Return the answer of ``path`` at the registry of ``image``, whatever its final status."""
        headers = {"Accept": "application/json", "X-Accept-Vulnerabilities": _REPORTS}
        known = self._credentials.lookup(image.host)
        if known is not None and known.username == _OAUTH_USER:
            headers["Authorization"] = f"Bearer {known.password}"
        elif known is not None and known.basic is not None:
            headers["Authorization"] = known.basic
        url = f"{base_url(image.host, self._plain_http)}{path}"
        body = b"" if method == "POST" else None
        request = Outgoing(method, url, image.host, headers, body=body, limit=_LARGEST)
        return self._session.run(image, partial(self._send, request, f"{method} {image.host}{path}"))

    def _send(self, request: Outgoing, doing: str, deadline: float) -> Answer:
        try:
            answer = self._transport.send(request, deadline)
        except NetworkFailure as error:
            raise from_network(error, doing) from error
        failure = transient(answer, request.registry, doing)
        if failure is not None:
            raise failure
        return answer

    def document(self, image: Reference, path: str) -> dict[str, Any] | None:
        """Return a JSON object, ``None`` where there is none (404). Raises RegistryRefused for any other answer."""
        answer = self.ask(image, path)
        if answer.status == 404:  # noqa: PLR2004 - HTTP
            return None
        if not answer.is_success:
            raise refusal(answer, image, f"GET {image.host}{path}")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RegistryRefused(f"GET {image.host}{path}: the answer is no JSON object")
        return found


class HarborScanner:
    """Implements :class:`pipeline_kit.ports.scanner.Scanner` for Harbor."""

    def __init__(self, api: ScanApi) -> None:
        self._api = api

    def look(self, image: Reference) -> ScanAnswer:
        """Return how the scan stands; the report is read when it says Success."""
        document = self._api.document(image, f"{_artifact(image)}?with_scan_overview=true")
        if document is None:
            return ScanAnswer(ScanState.FAILED, "Harbor does not know this image")
        overviews = [one for one in (document.get("scan_overview") or {}).values() if isinstance(one, dict)]
        states = {str(one.get("scan_status", "")).lower() for one in overviews}
        if not states:
            return ScanAnswer(ScanState.MISSING, "no scan yet")
        if states & {"pending", "running", "scheduled"}:
            return ScanAnswer(ScanState.WAITING, sanitize(", ".join(sorted(states))))
        if states != {"success"}:
            return ScanAnswer(ScanState.FAILED, sanitize(", ".join(sorted(states))))
        reports = self._api.document(image, f"{_artifact(image)}/additions/vulnerabilities")
        if not reports:
            return ScanAnswer(ScanState.FAILED, "Harbor gives no report")
        return ScanAnswer(ScanState.DONE, "", tuple(_harbor(reports)))

    def start(self, image: Reference) -> str:
        """Ask for a scan."""
        answer = self._api.ask(image, f"{_artifact(image)}/scan", method="POST")
        return "" if answer.is_success else answer.describe()


class QuayScanner:
    """Implements :class:`pipeline_kit.ports.scanner.Scanner` for Quay, which scans every push by itself."""

    def __init__(self, api: ScanApi) -> None:
        self._api = api

    def look(self, image: Reference) -> ScanAnswer:
        """Return how the scan stands."""
        path = f"/api/v1/repository/{image.repository}/manifest/{image.identifier}/security?vulnerabilities=true"
        document = self._api.document(image, path)
        if document is None:
            return ScanAnswer(ScanState.FAILED, "Quay does not know this image")
        state = str(document.get("status", ""))
        if state in ("queued", "in_progress"):
            return ScanAnswer(ScanState.WAITING, state)
        layer = (document.get("data") or {}).get("Layer") if isinstance(document.get("data"), dict) else None
        if state != "scanned" or not isinstance(layer, dict):
            return ScanAnswer(ScanState.FAILED, sanitize(state or "no status"))
        return ScanAnswer(ScanState.DONE, "", tuple(_quay(layer)))

    def start(self, image: Reference) -> str:
        """Return that Quay starts scans by itself."""
        del image
        return "Quay starts its scans by itself"


def _artifact(image: Reference) -> str:
    project, _, name = image.repository.partition("/")
    # A slash in a repository's name is encoded twice.
    return (
        f"/api/v2.0/projects/{project}/repositories/{quote(quote(name, safe=''), safe='')}/artifacts/{image.identifier}"
    )


def _harbor(reports: dict[str, Any]) -> Iterator[Finding]:
    for report in reports.values():
        if not isinstance(report, dict):
            raise RegistryRefused("Harbor's report is not a JSON object")
        for item in _objects(report.get("vulnerabilities")):
            links = item.get("links") or [""]
            yield Finding(
                id=_text(item, "id"),
                severity=severity(str(item.get("severity", ""))),
                package=_text(item, "package"),
                version=_text(item, "version"),
                fixed=_text(item, "fix_version"),
                url=sanitize(str(links[0])) if isinstance(links, list) else "",
            )


def _quay(layer: dict[str, Any]) -> Iterator[Finding]:
    for feature in _objects(layer.get("Features")):
        for item in _objects(feature.get("Vulnerabilities")):
            yield Finding(
                id=_text(item, "Name"),
                severity=severity(str(item.get("Severity", ""))),
                package=_text(feature, "Name"),
                version=_text(feature, "Version"),
                fixed=_text(item, "FixedBy"),
                url=_text(item, "Link").partition(" ")[0],
            )


def _objects(value: object) -> list[dict[str, Any]]:
    """Return a list of objects, ``[]`` for null. Raises RegistryRefused: a report read in part is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RegistryRefused("the registry's scan report cannot be read")
    return value


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return sanitize(str(value)) if value is not None else ""
