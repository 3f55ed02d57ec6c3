"""The report as JSON, and the JSON Schema that describes it (published as docs/report.schema.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.outputs.sanitize import inert_json
from pipeline_kit.plan import Status

if TYPE_CHECKING:
    from pipeline_kit.outputs.report import Attempt, ImageResult, RunReport, TaskDefinitionResult

Schema = dict[str, Any]


def json_document(report: RunReport) -> dict[str, Any]:
    """Return the shape of ``build --json`` and ``--report``: D7's members and those of :func:`report_schema`."""
    return {
        "images": {image.name: _image(image) for image in report.images},
        "exit_code": report.exit_code,
        "interrupted": report.is_interrupted,
        "seconds": round(report.seconds, 3),
        "plan_seconds": round(report.plan_seconds, 3),
        "requests": report.requests,
        "retries": report.retries,
        "attempts": [_attempt(attempt) for attempt in report.attempts],
        "commit": report.commit,
        "ref": report.ref,
        "tree": report.tree,
        "run_url": report.run_url,
        "task_definitions": [_task_definition(result) for result in report.task_definitions],
        "warnings": list(report.warnings),
        "tool_version": report.tool_version,
        "scope": report.scope,
    }


def json_text(report: RunReport) -> str:
    """Return :func:`json_document` as indented ASCII text with a final newline, safe for any locale and terminal."""
    return inert_json(json.dumps(json_document(report), indent=2)) + "\n"


def _image(image: ImageResult) -> dict[str, Any]:
    return {
        "status": image.status.value,
        "tag": image.tag,
        "reference": str(image.reference),
        "digest": image.digest,
        "seconds": round(image.seconds, 3),
        "reasons": list(image.reasons),
        "started": round(image.started, 3),
        "saved_seconds": None if image.saved_seconds is None else round(image.saved_seconds, 3),
        "bytes": image.size,
        "aliases": [{"tag": alias.tag, "state": alias.state, "detail": alias.detail} for alias in image.aliases],
        "attempts": [_attempt(attempt) for attempt in image.attempts],
        "steps": [
            {
                "name": step.name,
                "started": round(step.started, 3),
                "seconds": round(step.seconds, 3),
                "detail": step.detail,
            }
            for step in image.steps
        ],
        "error": image.error,
        "log_tail": list(image.log_tail),
        "needs": list(image.needs),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "class": attempt.kind,
        "status": attempt.status,
        "wait_seconds": round(attempt.wait_seconds, 3),
        "reason": attempt.reason,
        "subject": attempt.subject,
    }


def _task_definition(result: TaskDefinitionResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "service": result.service,
        "path": result.path,
        "images": dict(result.images),
    }


def report_schema() -> Schema:
    """Return the JSON Schema (2020-12) of :func:`json_document`. Further members may come, none goes within a major."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipeline-kit build report",
        "description": "What `pipeline-kit build --json` prints and `--report FILE` writes. Times are in seconds.",
        **_record(
            {
                "images": {
                    "description": "By image name, in build order.",
                    "type": "object",
                    "additionalProperties": _image_schema(),
                },
                "exit_code": {"type": "integer", "minimum": 0, "maximum": 255},
                "interrupted": {"type": "boolean"},
                "seconds": _SECONDS,
                "plan_seconds": _SECONDS,
                "requests": {"description": "HTTP requests to registries.", **_COUNT},
                "retries": {"description": "Requests and pushes that were repeated.", **_COUNT},
                "attempts": {
                    "description": "As in images: those that belong to none of them, such as of base images.",
                    "type": "array",
                    "items": _attempt_schema(),
                },
                "commit": {"description": "Full commit id, empty without git.", "type": "string"},
                "ref": {"description": "Full ref, empty where it is not known.", "type": "string"},
                "tree": {"description": "What the tags were computed from, for people.", "type": "string"},
                "run_url": {"description": "The CI run's page, empty outside CI.", "type": "string"},
                "task_definitions": {"type": "array", "items": _task_definition_schema()},
                "warnings": _STRINGS,
                "tool_version": _STRING,
                "scope": {"description": "trusted, or the lane of an untrusted run.", **_STRING},
            }
        ),
    }


_STRING: Schema = {"type": "string"}
_STRINGS: Schema = {"type": "array", "items": _STRING}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _image_schema() -> Schema:
    return _record(
        {
            "status": {"enum": [status.value for status in Status]},
            "tag": {"description": "The content tag.", **_STRING},
            "reference": {"description": "host/repository:tag", **_STRING},
            "digest": {
                "description": "What the registry holds; null when it holds nothing.",
                "type": ["string", "null"],
                "pattern": "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$",
            },
            "seconds": _SECONDS,
            "reasons": _STRINGS,
            "started": {"description": "Since the run began.", **_SECONDS},
            "saved_seconds": {
                "description": "What building it took an earlier run; null where it was not asked or is not known.",
                "type": ["number", "null"],
                "minimum": 0,
            },
            "bytes": {
                "description": "Compressed size in the registry, null if not known.",
                "type": ["integer", "null"],
            },
            "aliases": {"type": "array", "items": _alias_schema()},
            "attempts": {
                "description": "Attempts that failed and were followed by another.",
                "type": "array",
                "items": _attempt_schema(),
            },
            "steps": {
                "type": "array",
                "items": _record({"name": _STRING, "started": _SECONDS, "seconds": _SECONDS, "detail": _STRING}),
            },
            "error": {"description": "Empty unless the image failed or is blocked.", **_STRING},
            "needs": {"description": "Images of the project that it builds upon.", **_STRINGS},
            "log_tail": {"description": "The end of a failed build's output, as it came: untrusted.", **_STRINGS},
        }
    )


def _attempt_schema() -> Schema:
    return _record(
        {
            "number": {"description": "Of the attempt that failed, counted from 1.", **_COUNT},
            "class": _STRING,
            "status": {"description": "The HTTP status, null without one.", "type": ["integer", "null"]},
            "wait_seconds": _SECONDS,
            "reason": {"description": "What failed, for people: untrusted.", **_STRING},
            "subject": {"description": "The reference that was asked about, empty for a push.", **_STRING},
        }
    )


def _alias_schema() -> Schema:
    states = ["moved", "unchanged", "skipped", "failed"]
    return _record({"tag": _STRING, "state": {"enum": states}, "detail": _STRING})


def _task_definition_schema() -> Schema:
    return _record(
        {
            "environment": _STRING,
            "service": _STRING,
            "path": {"description": "Where it was written, null if it was not.", "type": ["string", "null"]},
            "images": {
                "description": "Container name to host/repository@digest.",
                "type": "object",
                "additionalProperties": _STRING,
            },
        }
    )
