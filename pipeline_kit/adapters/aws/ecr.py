"""Amazon ECR as a registry: which hosts are its, and its tokens through boto3.

Sources: "Private registry authentication" in the ECR user guide; the host pattern of amazon-ecr-credential-helper.
A token goes only to a host that matches the pattern as a whole (design D12). It lives for 12 hours.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from typing import Any

from pipeline_kit.adapters.registry.credentials import Credential
from pipeline_kit.errors import AuthenticationFailed, AuthorizationDenied, AwsUnreachable, PipelineKitError
from pipeline_kit.named_tuple import NamedTuple

PUBLIC_HOST = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"
_SUFFIXES = (
    r"amazonaws\.com",
    r"amazonaws\.com\.cn",
    r"amazonaws\.eu",
    r"on\.aws",
    r"on\.amazonwebservices\.com\.cn",
    r"c2s\.ic\.gov",
    r"sc2s\.sgov\.gov",
    r"cloud\.adc-e\.uk",
    r"csp\.hci\.ic\.gov",
)
_HOST_RE = re.compile(
    rf"(?P<account>[0-9]{{12}})\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z]{{2,}}(?:-[a-z]+)+-[0-9]{{1,2}})"
    rf"\.(?:{'|'.join(_SUFFIXES)})"
)
_CREDENTIALS = "give AWS credentials: a role in CI, `aws sso login`, or AWS_PROFILE"


class EcrHost(NamedTuple):
    """A private ECR registry: its account (12 digits) and region."""

    account: str
    region: str
    is_fips: bool = False


def parse_ecr_host(host: str) -> EcrHost | None:
    """Return the account and region in ``host``, or ``None`` where it is not exactly a private ECR registry's."""
    found = _HOST_RE.fullmatch(host)
    return EcrHost(found["account"], found["region"], bool(found["fips"])) if found else None


def is_ecr_host(host: str) -> bool:
    """Return whether ``host`` is a private or the public ECR registry."""
    return host == PUBLIC_HOST or parse_ecr_host(host) is not None


class EcrCredentials:
    """A credential source for ECR hosts alone; one GetAuthorizationToken for each region. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Credential] = {}

    def lookup(self, host: str) -> Credential | None:
        """Return user ``AWS`` and a token for an ECR host, ``None`` for any other host.

        The public registry is asked anonymously where boto3 is missing. Raises AuthenticationFailed,
        AuthorizationDenied or AwsUnreachable.
        """
        if not is_ecr_host(host):
            return None
        with self._lock:
            if host not in self._known:
                found = _token(host)
                if found is None:
                    return None
                self._known[host] = found
            return self._known[host]

    def forget(self, host: str) -> None:
        """Drop the token of ``host``; the next lookup asks for a new one."""
        with self._lock:
            self._known.pop(host, None)


def _token(host: str) -> Credential | None:
    try:
        import boto3
        import botocore.config
    except ImportError:
        if host == PUBLIC_HOST:
            return None
        raise AuthenticationFailed(
            f"no credentials for {host} in Docker's configuration, and boto3 is not installed",
            hint="pip install 'pipeline-kit[aws]'",
        ) from None
    parsed = parse_ecr_host(host)
    config = botocore.config.Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 5},
        use_fips_endpoint=True if parsed and parsed.is_fips else None,
    )
    service, region = ("ecr", parsed.region) if parsed else ("ecr-public", _PUBLIC_REGION)
    try:
        answer = boto3.session.Session().client(service, region_name=region, config=config).get_authorization_token()
    except Exception as error:
        if host == PUBLIC_HOST and type(error).__name__ in _NO_CREDENTIALS:
            return None
        raise translate(error, f"ecr:GetAuthorizationToken for {host}") from error
    return _credential(answer, host)


def _credential(answer: dict[str, Any], host: str) -> Credential:
    data = answer.get("authorizationData")
    first = data[0] if isinstance(data, list) and data else data
    text = first.get("authorizationToken", "") if isinstance(first, dict) else ""
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user, colon, password = "", "", ""
    if not colon or not user or not password:
        raise AuthenticationFailed(f"ECR's answer for {host} holds no token")
    return Credential(user, password)


_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "NoAuthTokenError",
    }
)
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "IncompleteSignature",
        "InvalidIdentityToken",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OptInRequired"})


def translate(error: Exception, action: str) -> PipelineKitError:
    """Return our error for one of botocore's, naming ``action``; an exception of another kind is raised again."""
    name = type(error).__name__
    code = _code(error)
    if name in _NO_CREDENTIALS:
        return AuthenticationFailed(f"no usable AWS credentials for {action} ({name})", hint=_CREDENTIALS)
    if code in _EXPIRED:
        hint = "renew the AWS credentials; if they are fresh, correct this machine's clock"
        return AuthenticationFailed(f"AWS does not accept the credentials for {action} ({code})", hint=hint)
    if code in _DENIED:
        allow = action.partition(" ")[0]
        return AuthorizationDenied(f"AWS denies {action} ({code})", hint=f"allow {allow} in the role's policy")
    if not type(error).__module__.startswith("botocore"):
        raise error
    return AwsUnreachable(f"no answer from AWS to {action} ({code or name})")


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, dict) else None
    return str(details.get("Code", "")) if isinstance(details, dict) else ""
