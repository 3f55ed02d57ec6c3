"""ECS and what stands beside it as one HTTP server on loopback, with scripted deployments and faults.

It speaks AWS's JSON 1.1 protocol (and Scheduler's REST), so boto3 talks to it unchanged. Every request and every answer
is validated against botocore's own models: the double cannot drift from the real shapes. It has what the other doubles
lack: service deployments, circuit breaker and alarms, AccessDenied, throttling, expired tokens, exact error texts.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import botocore.loaders
import botocore.model
import botocore.validate
from fakes.fake_ecs_answers import DEPLOYED, FakeService, Frame
from fakes.fake_ecs_state import Sent, State

if TYPE_CHECKING:
    import pytest

__all__ = ["DEPLOYED", "FakeEcs", "FakeService", "Fault", "Frame"]

REGION = "eu-west-1"
_TARGETS = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "Logs_20140328": "logs",
    "CodeDeploy_20141006": "codedeploy",
    "AWSEvents": "events",
}


@dataclass(slots=True)
class Fault:
    """An error answer for the next ``times`` calls of ``operation``; ``-1`` is every call."""

    operation: str
    code: str
    message: str = ""
    status: int = 400
    times: int = -1


@dataclass(slots=True)
class FakeEcs:
    """The server; a context manager. ``state`` is what it holds, ``faults`` what goes wrong, ``log`` what was asked."""

    state: State = field(default_factory=State)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    """Requests and answers that do not fit botocore's models; has to stay empty."""
    _server: ThreadingHTTPServer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Return the endpoint's URL."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """Return the variables that send boto3 here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": REGION,
        }

    def lead(self, patch: pytest.MonkeyPatch) -> None:
        """Send this process's boto3 here, and let its sessions share what they parse of botocore's models."""
        for name, value in self.environment().items():
            patch.setenv(name, value)
        patch.setattr("botocore.session.create_loader", lambda *_: _loader())

    def fail(self, operation: str, code: str, message: str = "", *, status: int = 400, times: int = -1) -> None:
        """Let ``operation`` answer with an error."""
        self.faults.append(Fault(operation, code, message, status, times))

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of every call of ``operation``."""
        return [parameters for name, parameters in self.log if name == operation]

    def answer(self, service: str, operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body of one call."""
        with self._lock:
            self.log.append((operation, parameters))
            self._validate(service, operation, parameters, is_input=True)
            fault = next((one for one in self.faults if one.operation == operation and one.times), None)
            if fault is not None:
                fault.times -= 1
                return fault.status, {"__type": fault.code, "message": fault.message}
            try:
                body = self.state.answer(operation, parameters)
            except Sent as error:
                return error.status, {"__type": error.code, "message": error.message}
            self._validate(service, operation, body, is_input=False)
            return 200, body

    def _validate(self, service: str, operation: str, value: dict[str, Any], *, is_input: bool) -> None:
        model = service_model(service).operation_model(operation)
        shape = model.input_shape if is_input else model.output_shape
        if shape is None:
            return
        report = botocore.validate.ParamValidator().validate(value, shape)
        if report.has_errors() and not self.state.allows_unknown:
            self.invalid.append(f"{operation}: {report.generate_report()}")

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


@cache
def _loader() -> botocore.loaders.Loader:
    return botocore.loaders.Loader()


@cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service."""
    return botocore.model.ServiceModel(_loader().load_service_model(service, "service-2"), service)


def _handler(fake: FakeEcs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            if status >= 400:
                self.send_header("x-amzn-ErrorType", body["__type"])
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> dict[str, Any]:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parsed = json.loads(data or b"{}")
            return parsed if isinstance(parsed, dict) else {}

        def do_POST(self) -> None:
            target, _, operation = str(self.headers.get("X-Amz-Target", "")).partition(".")
            self._send(*fake.answer(_TARGETS[target], operation, self._body()))

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            group = query.partition("groupName=")[2]
            parameters = {"Name": path.rpartition("/")[2], **({"GroupName": group} if group else {})}
            self._send(*fake.answer("scheduler", "GetSchedule", parameters))

        def do_PUT(self) -> None:
            parameters = {**self._body(), "Name": self.path.rpartition("/")[2]}
            self._send(*fake.answer("scheduler", "UpdateSchedule", parameters))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
