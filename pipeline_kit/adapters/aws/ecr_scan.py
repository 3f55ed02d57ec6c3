"""ECR's scans: basic (COMPLETE) and enhanced by Inspector (ACTIVE, for as long as it watches the image).

Sources: ECR API reference (DescribeImageScanFindings, StartImageScan); botocore's model. Botocore's own waiter knows
COMPLETE and FAILED alone and fails at once just after a push.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import AwsRefused
from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.ports.scanner import ScanAnswer, ScanState
from pipeline_kit.scan_gate import Finding, severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.reference import Reference

_PAGE = 1000
_WAITING = frozenset({"IN_PROGRESS", "PENDING"})
_NOT_STARTED = frozenset({"LimitExceededException", "ValidationException", "UnsupportedImageTypeException"})


class EcrScanner:
    """Implements :class:`pipeline_kit.ports.scanner.Scanner` for one ECR registry."""

    def __init__(self, clients: AwsClients, account: str) -> None:
        self._clients = clients
        self._account = account

    def look(self, image: Reference) -> ScanAnswer:
        """Return how the scan stands; all pages of its findings when there are any."""
        findings: list[Finding] = []
        more: dict[str, Any] = {}
        while True:
            try:
                answer = self._call("DescribeImageScanFindings", image, maxResults=_PAGE, **more)
            except AwsRefused as error:
                if error.code == "ScanNotFoundException":
                    return ScanAnswer(ScanState.MISSING, "no scan yet")
                raise
            status = answer.get("imageScanStatus") or {}
            word, told = str(status.get("status", "")), one_line(str(status.get("description") or ""))
            found = answer.get("imageScanFindings")
            if word in _WAITING or (word == "ACTIVE" and found is None):
                return ScanAnswer(ScanState.WAITING, f"{word}: {told}" if told else word)
            if word not in ("COMPLETE", "ACTIVE") or found is None:
                detail = f"{word or 'no status'}: {told}" if told else word or "no status"
                return ScanAnswer(ScanState.FAILED, detail)
            findings += [*_basic(found), *_enhanced(found)]
            if not answer.get("nextToken"):
                return ScanAnswer(ScanState.DONE, word, tuple(findings))
            more = {"nextToken": answer["nextToken"]}

    def start(self, image: Reference) -> str:
        """Ask for a basic scan: once in 24 hours for each image; with enhanced scanning ECR starts by itself."""
        try:
            self._call("StartImageScan", image)
        except AwsRefused as error:
            if error.code in _NOT_STARTED:
                return error.message
            raise
        return ""

    def _call(self, operation: str, image: Reference, **parameters: Any) -> dict[str, Any]:
        return self._clients.call(
            "ecr",
            operation,
            registryId=self._account,
            repositoryName=image.repository,
            imageId={"imageDigest": image.identifier},
            **parameters,
        )


def _basic(found: dict[str, Any]) -> Iterator[Finding]:
    for item in found.get("findings") or ():
        notes = {str(one.get("key")): str(one.get("value", "")) for one in item.get("attributes") or ()}
        yield Finding(
            id=one_line(str(item.get("name", ""))),
            severity=severity(str(item.get("severity", ""))),
            package=one_line(notes.get("package_name", "")),
            version=one_line(notes.get("package_version", "")),
            url=one_line(str(item.get("uri", ""))),
        )


def _enhanced(found: dict[str, Any]) -> Iterator[Finding]:
    for item in found.get("enhancedFindings") or ():
        if str(item.get("status", "ACTIVE")) != "ACTIVE":  # suppressed or closed in Inspector
            continue
        details = item.get("packageVulnerabilityDetails") or {}
        name = str(details.get("vulnerabilityId") or item.get("title") or item.get("findingArn") or "")
        packages: list[dict[str, Any]] = details.get("vulnerablePackages") or [{}]
        for package in packages:
            yield Finding(
                id=one_line(name),
                severity=severity(str(item.get("severity", ""))),
                package=one_line(str(package.get("name", ""))),
                version=one_line(str(package.get("version", ""))),
                fixed=one_line(str(package.get("fixedInVersion", ""))),
                url=one_line(str(details.get("sourceUrl", ""))),
            )
