"""boto3 behind one method: clients made when they are used, AWS's failures as this program's errors.

Retries are botocore's own ("standard" mode, which backs off with jitter and honours throttling).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

from pipeline_kit.adapters.aws.ecr import translate
from pipeline_kit.errors import (
    AuthenticationFailed,
    AwsRefused,
    AwsUnreachable,
    InputError,
    PipelineKitError,
    TaskDefinitionError,
)

_ATTEMPTS = 5
_SERVER_ERROR = 500
_TOO_MANY = 429
_TRANSIENT = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|ServerException|ServiceUnavailable")
_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
_LONGEST = 600


class AwsClients:
    """Calls AWS APIs in one region (``None``: what AWS's own configuration says, else ``fallback``). Thread-safe."""

    def __init__(self, region: str | None = None, *, fallback: str | None = None) -> None:
        self._region = region
        self._fallback = fallback
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str | None], Any] = {}
        self.calls: Counter[str] = Counter()
        """Calls made so far, by ``service:Operation``."""

    def call(self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the answer of ``operation`` (``DescribeServices``).

        Raises AuthenticationFailed, AuthorizationDenied, AwsRefused, AwsUnreachable, InputError where no region is
        known, or TaskDefinitionError where the parameters do not fit the SDK's model.
        """
        client = self.client(service, region=region)
        method = getattr(client, _CAMEL.sub("_", operation).lower())
        with self._lock:
            self.calls[f"{service}:{operation}"] += 1
        try:
            answer: dict[str, Any] = method(**parameters)
        except Exception as error:
            raise failure(error, f"{service}:{operation}") from error
        return answer

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return the boto3 client of a service, made once. Raises AuthenticationFailed without boto3, InputError."""
        with self._lock:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._make(service, region or self._region)
            return self._clients[key]

    def _make(self, service: str, region: str | None) -> Any:
        try:
            import boto3
            import botocore.config
        except ImportError:
            raise AuthenticationFailed(
                "boto3 is not installed, and nothing can be asked of AWS without it",
                hint="pip install 'pipeline-kit[aws]'",
            ) from None
        config = botocore.config.Config(
            connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}
        )
        try:
            if self._session is None:
                self._session = boto3.session.Session()
            region = region or self._session.region_name or self._fallback
            return self._session.client(service, region_name=region, config=config)
        except Exception as error:
            raise failure(error, service) from error


def failure(error: Exception, action: str) -> PipelineKitError:
    """Return our error for one of botocore's in ``action``; an exception of another kind is raised again."""
    name = type(error).__name__
    if name == "ParamValidationError":
        return TaskDefinitionError(f"what would be sent to {action} does not fit AWS's model: {error}")
    if name in ("NoRegionError", "InvalidRegionError"):
        hint = "write deploy.ecs.NAME.region, or set AWS_REGION"
        return InputError(f"no usable AWS region for {action}", hint=hint)
    known = translate(error, action)
    if not isinstance(known, AwsUnreachable):
        return known
    code, message, status = _answer(error)
    if not code or status >= _SERVER_ERROR or status == _TOO_MANY or _TRANSIENT.search(code):
        return known
    return AwsRefused(f"AWS refuses {action}: {message[:_LONGEST] or code} ({code})", code=code)


def _answer(error: Exception) -> tuple[str, str, int]:
    """Return the code, message and HTTP status of a service's error answer; ``("", "", 0)`` where there was none."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", "", 0
    details = response.get("Error") or {}
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0
    return str(details.get("Code", "")), " ".join(str(details.get("Message", "")).split()), int(status)
