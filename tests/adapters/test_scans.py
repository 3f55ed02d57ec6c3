"""ECR's, Harbor's and Quay's scans: their states, all their pages, and the wait for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator
from fakes.fake_clock import FakeClock
from fakes.fake_ecs import service_model
from fakes.fake_registry import FakeRegistry

from pipeline_kit.adapters.aws.ecr_scan import EcrScanner
from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.adapters.registry.credentials import Credential
from pipeline_kit.adapters.registry.scans import HarborScanner, QuayScanner, ScanApi
from pipeline_kit.adapters.registry.transport import Transport
from pipeline_kit.app.scan import await_scan
from pipeline_kit.errors import AuthorizationDenied, AwsRefused, PipelineKitError, RegistryRefused
from pipeline_kit.ports.scanner import ScanAnswer, ScanState
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST = f"sha256:{'a' * 64}"
IMAGE = Reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "shop/api", None, DIGEST)


class _Ecr:
    """Answers by a script, one a call, each validated against botocore's model as a request and as an answer."""

    def __init__(self, *script: dict[str, Any] | PipelineKitError) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        model = service_model(service).operation_model(operation)
        self.calls.append((operation, parameters))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        for value, shape in ((parameters, model.input_shape), (answer, model.output_shape)):
            if isinstance(value, dict):
                report = ParamValidator().validate(value, shape)
                assert not report.has_errors(), report.generate_report()
        if isinstance(answer, PipelineKitError):
            raise answer
        return answer


def status(word: str, findings: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return an answer of DescribeImageScanFindings."""
    found = {} if findings is None else {"imageScanFindings": findings}
    return {"imageScanStatus": {"status": word, "description": "told"}, **found, **more}


def scanner(*script: dict[str, Any] | PipelineKitError) -> EcrScanner:
    """Return what is tested."""
    return EcrScanner(_Ecr(*script), "123456789012")  # type: ignore[arg-type]


NOT_FOUND = AwsRefused("no scan", code="ScanNotFoundException")
BASIC = {
    "findings": [
        {
            "name": "CVE-1",
            "severity": "HIGH",
            "uri": "https://x",
            "attributes": [{"key": "package_name", "value": "glibc"}, {"key": "package_version", "value": "2"}],
        }
    ]
}
ENHANCED = {
    "enhancedFindings": [
        {
            "severity": "CRITICAL",
            "status": "ACTIVE",
            "packageVulnerabilityDetails": {
                "vulnerabilityId": "CVE-2",
                "vulnerablePackages": [{"name": "a", "version": "1", "fixedInVersion": "2"}, {"name": "b"}],
            },
        },
        {"severity": "HIGH", "status": "SUPPRESSED", "title": "CVE-3"},
        {"severity": "UNTRIAGED", "title": "CVE-4"},
    ]
}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (NOT_FOUND, ScanState.MISSING),
        (status("PENDING"), ScanState.WAITING),
        (status("IN_PROGRESS"), ScanState.WAITING),
        (status("ACTIVE"), ScanState.WAITING),
        (status("ACTIVE", {}), ScanState.DONE),
        (status("COMPLETE", {}), ScanState.DONE),
        (status("COMPLETE"), ScanState.FAILED),
        *(
            (status(word), ScanState.FAILED)
            for word in ("FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE")
        ),
        *((status(word, {}), ScanState.FAILED) for word in ("LIMIT_EXCEEDED", "IMAGE_ARCHIVED", "IMAGE_SIZE_EXCEEDED")),
        ({}, ScanState.FAILED),
        (status("NEW_WORD", {}), ScanState.FAILED),
    ],
)
def test_each_state_of_ecr(answer: dict[str, Any] | PipelineKitError, state: ScanState) -> None:
    """A word that is not known is no pass."""
    assert scanner(answer).look(IMAGE).state is state


def test_findings_of_basic_and_enhanced_scans() -> None:
    """All pages; each package of a finding; suppressed ones are closed already."""
    found = scanner(status("COMPLETE", BASIC, nextToken="x"), status("COMPLETE", BASIC)).look(IMAGE).findings
    assert [(one.id, one.severity, one.package, one.version) for one in found] == [("CVE-1", "high", "glibc", "2")] * 2
    found = scanner(status("ACTIVE", ENHANCED)).look(IMAGE).findings
    assert [(one.id, one.severity, one.package, one.fixed) for one in found] == [
        ("CVE-2", "critical", "a", "2"),
        ("CVE-2", "critical", "b", ""),
        ("CVE-4", "undefined", "", ""),
    ]


def test_a_scan_is_asked_for_once_and_waited_for() -> None:
    """Just after a push there is none; that ECR starts it by itself, or has done so today, is no failure."""
    refused = AwsRefused("scanned within 24 hours", code="LimitExceededException")
    ecr = _Ecr(NOT_FOUND, refused, NOT_FOUND, status("PENDING"), status("ACTIVE", ENHANCED))
    clock, told = FakeClock(), list[str]()
    answer = await_scan(EcrScanner(ecr, "1" * 12), IMAGE, clock, clock.now + 600, told.append)  # type: ignore[arg-type]
    assert answer.state is ScanState.DONE
    assert [name for name, _ in ecr.calls].count("StartImageScan") == 1
    assert clock.slept == pytest.approx(2 + 3 + 4.5)
    assert told[0].startswith("asked for a scan, which is not started")


def test_time_runs_out() -> None:
    """The last state is told; the wait is not longer than asked for."""
    clock = FakeClock()
    answer = await_scan(scanner(status("PENDING")), IMAGE, clock, clock.now + 60, lambda _: None)
    assert answer.state is ScanState.WAITING
    assert clock.slept == pytest.approx(60)


@pytest.mark.parametrize("error", [AuthorizationDenied("no"), AwsRefused("x", code="RepositoryNotFoundException")])
def test_what_ecr_denies_is_an_error(error: PipelineKitError) -> None:
    """Never a pass."""
    with pytest.raises(type(error)):
        scanner(error).look(IMAGE)


class _Known:
    """One credential."""

    def __init__(self, user: str) -> None:
        self.user = user

    def lookup(self, host: str) -> Credential | None:
        del host
        return Credential(self.user, "secret")

    def forget(self, host: str) -> None:
        """Have nothing to forget."""


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Give a server whose answers are rules."""
    with FakeRegistry() as found:
        yield found


def api(registry: FakeRegistry, user: str = "robot") -> tuple[ScanApi, Reference]:
    """Return the API of a server, and an image there whose name has a slash."""
    clock = FakeClock()
    client = ContentClient(environment={}, clock=clock)
    transport = Transport(clock=clock, environment={})
    return ScanApi(client.session, transport, _Known(user), ()), Reference(registry.host, "shop/team/api", None, DIGEST)


def say(registry: FakeRegistry, path: str, document: Any, **members: Any) -> None:
    """Let the server answer JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    rule = {"status": 200, "headers": {"Content-Type": "application/json"}, "body": body, **members}
    registry.add_rule(path=path, **rule)


ARTIFACT = rf"^/api/v2.0/projects/shop/repositories/team%252Fapi/artifacts/{DIGEST}"
REPORT = {
    "application/vnd.security.vulnerability.report; version=1.1": {
        "vulnerabilities": [
            {"id": "CVE-1", "severity": "Critical", "package": "a", "version": "1", "fix_version": "2", "links": ["l"]}
        ]
    }
}


@pytest.mark.parametrize(
    ("overview", "state"),
    [
        (None, ScanState.MISSING),
        ({"m": {"scan_status": "Running"}}, ScanState.WAITING),
        ({"m": {"scan_status": "Pending"}}, ScanState.WAITING),
        ({"m": {"scan_status": "Error"}}, ScanState.FAILED),
        ({"m": {"scan_status": "Stopped"}}, ScanState.FAILED),
        ({"m": {"scan_status": "Success"}}, ScanState.DONE),
    ],
)
def test_harbor(registry: FakeRegistry, overview: Any, state: ScanState) -> None:
    """The artifact says how the scan stands, an addition holds the report; the password goes as Basic."""
    say(registry, ARTIFACT + r"/additions/vulnerabilities$", REPORT)
    say(registry, ARTIFACT + r"\?with_scan_overview=true$", {"scan_overview": overview})
    ask, image = api(registry)
    found = HarborScanner(ask).look(image)
    assert found.state is state
    assert [one.id for one in found.findings] == (["CVE-1"] if state is ScanState.DONE else [])
    assert registry.log[0].headers["authorization"].startswith("Basic ")


def test_harbor_starts_a_scan(registry: FakeRegistry) -> None:
    """With POST; a refusal is told, not raised."""
    say(registry, ARTIFACT + "/scan$", {}, method="POST", status=202)
    ask, image = api(registry)
    assert HarborScanner(ask).start(image) == ""
    registry.rules.clear()
    say(registry, ARTIFACT + "/scan$", {"errors": [{"code": "CONFLICT", "message": "busy"}]}, status=409)
    assert "busy" in HarborScanner(ask).start(image)


@pytest.mark.parametrize(
    ("document", "state"),
    [
        ({"status": "queued"}, ScanState.WAITING),
        ({"status": "failed"}, ScanState.FAILED),
        ({"status": "unsupported"}, ScanState.FAILED),
        ({"status": "scanned", "data": None}, ScanState.FAILED),
        ({"status": "scanned", "data": {"Layer": {"Features": []}}}, ScanState.DONE),
    ],
)
def test_quay(registry: FakeRegistry, document: Any, state: ScanState) -> None:
    """Its states; an OAuth token goes as Bearer."""
    say(registry, rf"^/api/v1/repository/shop/team/api/manifest/{DIGEST}/security\?vulnerabilities=true$", document)
    ask, image = api(registry, "$oauthtoken")
    assert QuayScanner(ask).look(image).state is state
    assert registry.log[0].headers["authorization"] == "Bearer secret"


def test_quays_findings(registry: FakeRegistry) -> None:
    """Each vulnerability of each package."""
    flaw = {"Name": "CVE-1", "Severity": "Negligible", "FixedBy": "2", "Link": "https://a https://b"}
    features = [{"Name": "a", "Version": "1", "Vulnerabilities": [flaw]}, {"Name": "b", "Vulnerabilities": None}]
    say(registry, "security", {"status": "scanned", "data": {"Layer": {"Features": features}}})
    ask, image = api(registry)
    (found,) = QuayScanner(ask).look(image).findings
    assert (found.id, found.severity, found.package, found.fixed, found.url) == (
        *("CVE-1", "informational", "a", "2"),
        "https://a",
    )


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"status": 403}, RegistryRefused),
        ({"status": 401}, RegistryRefused),
        ({"body": b"<html>"}, RegistryRefused),
        ({"body": b'{"status": "scanned", "data": {"Layer": {"Features": 1}}}'}, RegistryRefused),
        ({"status": 503}, PipelineKitError),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(
    registry: FakeRegistry, members: Any, error: type[Exception]
) -> None:
    """Never a pass."""
    say(registry, "security", {}, **members)
    ask, image = api(registry)
    with pytest.raises(error):
        QuayScanner(ask).look(image)


def test_an_unknown_image_is_no_pass(registry: FakeRegistry) -> None:
    """404: neither says that there is nothing to find."""
    say(registry, "^/api/", {}, status=404)
    ask, image = api(registry)
    unknown: list[ScanAnswer] = [HarborScanner(ask).look(image), QuayScanner(ask).look(image)]
    assert {answer.state for answer in unknown} == {ScanState.FAILED}
