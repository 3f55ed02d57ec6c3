"""The rules of doctor about registries, the engine, AWS and the CI system; messages follow a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.checkup.findings import Severity
from pipeline_kit.checkup.rule import Rule

if TYPE_CHECKING:
    from pipeline_kit.checkup.rule import Part

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_REFUSED, _UNREACHABLE = 3, 4


def _registry(name: str, message: str, hint: str, *, severity: Severity = _ERROR, code: int = _REFUSED) -> Rule:
    return Rule(name, severity, message, hint, "registry", code)


def _other(part: Part, name: str, severity: Severity, message: str, hint: str, code: int = _UNREACHABLE) -> Rule:
    return Rule(name, severity, message, hint, part, code)


SERVICE_RULES = (
    _registry(
        "host-unknown",
        "no address is known for this name",
        "correct `registry:` in the configuration; on a private network, check the resolver and the VPN",
        code=_UNREACHABLE,
    ),
    _registry(
        "registry-unreachable",
        "nothing answers there",
        "check the port, the firewall and whether the registry runs",
        code=_UNREACHABLE,
    ),
    _registry(
        "registry-failing",
        "it answers, and says that it cannot serve now",
        "wait, or see the registry's own status page and log; runs retry this and then end with 4",
        code=_UNREACHABLE,
    ),
    _registry(
        "not-a-registry",
        "what answers there is no registry",
        "give the registry's own host and port: no web page, no login page, no path",
    ),
    _registry(
        "plain-http",
        "it speaks http, and https was tried",
        "use its TLS port; on a trusted network, list the host under `plain_http:`",
    ),
    _registry(
        "tls-expected",
        "it speaks TLS, and plain http was tried",
        "take the host from `plain_http:`; loopback is always spoken to without TLS, so name it by another address",
    ),
    _registry(
        "certificate-unknown",
        "its certificate is signed by no authority that this machine knows",
        "install the authority's certificate, or name its file in SSL_CERT_FILE; TLS is never switched off",
    ),
    _registry(
        "certificate-name",
        "its certificate is for another name",
        "use the name that the certificate bears, or have the registry's certificate made for this one",
    ),
    _registry(
        "certificate-expired",
        "its certificate is not valid at this time",
        "renew the registry's certificate; if it is in order, correct this machine's clock",
    ),
    _registry(
        "proxy-refused",
        "the proxy refuses to lead there",
        "put the proxy's user and password into HTTPS_PROXY, or the host into NO_PROXY",
    ),
    _registry(
        "proxy-unreachable",
        "the proxy does not answer",
        "correct HTTPS_PROXY, or put the host into NO_PROXY",
        code=_UNREACHABLE,
    ),
    _registry(
        "login-broken",
        "the login could not be read",
        "correct docker's configuration file or the credential helper it names",
    ),
    _registry("login-missing", "it asks for a login, and none is stored", "pipeline-kit login HOST"),
    _registry("login-refused", "it does not accept the login", "log in again: pipeline-kit login HOST"),
    _registry("login-expired", "the login has expired", "log in again: pipeline-kit login HOST"),
    _registry(
        "repository-missing",
        "the repository does not exist, and this registry does not make it on a push",
        "create it in the registry first",
    ),
    _registry("pull-denied", "this login may not read the repository", "give it the right to pull"),
    _registry("push-denied", "this login may read the repository and not write to it", "give it the right to push"),
    _registry(
        "registry-read-only",
        "it takes no pushes",
        "name the registry itself, not a mirror or pull-through cache; or end its maintenance mode",
    ),
    _registry(
        "tags-immutable",
        "tags cannot be moved there, and aliases or the build cache are configured to",
        "use IMMUTABLE_WITH_EXCLUSION with filters for these tags",
        severity=_WARNING,
    ),
    _registry(
        "tags-mutable",
        "a content tag could be overwritten by hand",
        "set tag immutability (IMMUTABLE_WITH_EXCLUSION, with filters for tags that move)",
        severity=_NOTE,
    ),
    _registry(
        "clock-skew",
        "this machine's clock differs from the registry's",
        "set the clock (NTP); tokens and AWS signatures are refused when it is off by minutes",
        severity=_WARNING,
    ),
    _registry(
        "upload-left",
        "the empty upload that tried the right to push could not be cancelled",
        "nothing: registries drop unfinished uploads by themselves",
        severity=_NOTE,
    ),
    _other("engine", "docker-missing", _ERROR, "there is no docker command", "install docker and its buildx plugin"),
    _other("engine", "engine-unreachable", _ERROR, "no engine answers", "start it, or set DOCKER_HOST"),
    _other(
        "engine",
        "buildx-missing",
        _WARNING,
        "docker has no buildx plugin: images are built one by one, without BuildKit's newer features",
        "install docker-buildx 0.13 or newer",
    ),
    _other("engine", "buildx-old", _ERROR, "the buildx plugin is too old", "update docker-buildx to 0.13 or newer"),
    _other(
        "engine",
        "platforms-unsupported",
        _ERROR,
        "this builder makes one platform at a time, and images are configured for several",
        "docker buildx create --use --driver docker-container, or switch the engine to the containerd image store",
    ),
    _other("engine", "builder", _NOTE, "builds run here", "nothing"),
    _other(
        "aws",
        "aws-login",
        _ERROR,
        "AWS does not know these credentials, or there are none",
        "give AWS credentials: a role in CI, aws sso login, or AWS_PROFILE",
        _REFUSED,
    ),
    _other("aws", "aws-unreachable", _ERROR, "AWS does not answer", "check the network and AWS_ENDPOINT_URL"),
    _other(
        "aws",
        "aws-account",
        _NOTE,
        "the registry belongs to another account",
        "let that repository's policy name this account or role",
    ),
    _other("aws", "aws-identity", _NOTE, "AWS knows this run by this name", "nothing"),
    _other(
        "ci",
        "ci-variables",
        _WARNING,
        "the CI system's environment is incomplete or contradicts itself",
        "do not set or unset the CI system's own variables; hand all of them to containers",
    ),
    _other(
        "ci",
        "ci-read-only",
        _NOTE,
        "this kind of run gets no secrets and a read-only token: it plans, and does not push",
        "nothing; build after the merge, or in a run of the repository's own",
    ),
    _other(
        "ci",
        "id-token",
        _WARNING,
        "the job may not ask for an OIDC token, and has no other AWS credentials",
        "permissions: id-token: write, and aws-actions/configure-aws-credentials with a role before this step",
    ),
)
"""In the order in which findings are told."""
