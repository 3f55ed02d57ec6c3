"""CodeBuild's batches: StartBuildBatch, BatchGetBuildBatches, StopBuildBatch; no other double here has them.

Requests and answers are validated against botocore's own models. A batch that is started is carried out by what the
test gives: the builds themselves, or a script of their states.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate
import yaml
from fakes.aws_front import REGION

ACCOUNT = "111122223333"
Builder = Callable[["Batch", Callable[[str, str], None]], None]
"""Carries a batch out and tells of each build's status."""


@dataclass(slots=True)
class Batch:
    """One batch: the request, and how its builds stand."""

    id: str
    request: dict[str, Any]
    states: dict[str, str] = field(default_factory=dict)
    status: str = "IN_PROGRESS"

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that the request overrides."""
        return {item["name"]: item["value"] for item in self.request.get("environmentVariablesOverride", [])}

    def nodes(self) -> list[dict[str, Any]]:
        """Return the entries of the build-graph."""
        return list(yaml.safe_load(self.request["buildspecOverride"])["batch"]["build-graph"])


@dataclass(slots=True)
class FakeCodeBuild:
    """The service; ``batches`` are those that were started, ``invalid`` what does not fit botocore's models."""

    build: Builder
    batches: dict[str, Batch] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)
    denied: frozenset[str] = frozenset()
    unseen: int = 0
    """How many of the next looks find no batch."""
    threads: list[threading.Thread] = field(default_factory=list)

    def answer(self, operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body of one call."""
        if operation in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": f"not authorized to perform: {operation}"}
        self._validate(operation, parameters, is_input=True)
        if operation == "StartBuildBatch":
            body: dict[str, Any] = {"buildBatch": self._described(self._start(parameters))}
        elif operation == "BatchGetBuildBatches":
            body = self._looked_up(parameters["ids"])
        elif operation == "StopBuildBatch":
            self.batches[parameters["id"]].status = "STOPPED"
            body = {"buildBatch": self._described(self.batches[parameters["id"]])}
        else:
            raise AssertionError(operation)
        self._validate(operation, body, is_input=False)
        return 200, body

    def _looked_up(self, names: list[str]) -> dict[str, Any]:
        self.unseen -= 1
        if self.unseen >= 0:
            return {"buildBatches": [], "buildBatchesNotFound": names}
        return {"buildBatches": [self._described(self.batches[name]) for name in names], "buildBatchesNotFound": []}

    def _start(self, parameters: dict[str, Any]) -> Batch:
        batch = Batch(f"{parameters['projectName']}:00000000-{len(self.batches)}", parameters)
        self.batches[batch.id] = batch
        batch.states = dict.fromkeys((node["identifier"] for node in batch.nodes()), "")
        thread = threading.Thread(target=self._carry_out, args=(batch,), daemon=True)
        self.threads.append(thread)
        thread.start()
        return batch

    def _carry_out(self, batch: Batch) -> None:
        status = "FAULT"
        try:
            self.build(batch, batch.states.__setitem__)
            status = "SUCCEEDED" if set(batch.states.values()) == {"SUCCEEDED"} else "FAILED"
        finally:
            if batch.status == "IN_PROGRESS":
                batch.status = status

    def _described(self, batch: Batch) -> dict[str, Any]:
        return {
            "id": batch.id,
            "arn": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build-batch/{batch.id}",
            "projectName": batch.request["projectName"],
            "buildBatchStatus": batch.status,
            "complete": batch.status != "IN_PROGRESS",
            "buildGroups": [_group(batch, node) for node in batch.nodes()],
        }

    def _validate(self, operation: str, parameters: dict[str, Any], *, is_input: bool) -> None:
        model = _model().operation_model(operation)
        shape = model.input_shape if is_input else model.output_shape
        report = botocore.validate.ParamValidator().validate(parameters, shape)
        if report.has_errors():
            self.invalid.append(f"{operation}: {report.generate_report()}")


def _group(batch: Batch, node: dict[str, Any]) -> dict[str, Any]:
    name = node["identifier"]
    group: dict[str, Any] = {"identifier": name, "dependsOn": node.get("depend-on", []), "ignoreFailure": False}
    if batch.states[name]:
        arn = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build/{batch.request['projectName']}:{name.replace('_', '-')}"
        group["currentBuildSummary"] = {"arn": arn, "buildStatus": batch.states[name]}
    return group


@cache
def _model() -> botocore.model.ServiceModel:
    loaded = botocore.loaders.create_loader().load_service_model("codebuild", "service-2")
    return botocore.model.ServiceModel(loaded, "codebuild")
