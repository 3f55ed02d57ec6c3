"""The keys of the file, in the order in which documentation and the schema show them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from pipeline_kit.allowances import ALLOWABLE
from pipeline_kit.config.model import Bases, Verify

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = (
    "version",
    "project",
    "registry",
    "imports",
    "defaults",
    "images",
    "tag_prefix",
    "plain_http",
    "allow",
    "verify",
    "scopes",
    "deploy",
    "retention",
    "scan",
)
DEFAULTS = ("platforms", "cache", "bases", "aliases", "tag_prefix")
IMAGE = (
    "context",
    "dockerfile",
    "repository",
    "target",
    "args",
    "volatile_args",
    "contexts",
    "inputs",
    "platforms",
    "secrets",
    "ssh",
    "max_age",
    "aliases",
    "bases",
    "cache",
)
SECRET = ("env", "file")
CACHE = ("to", "from")
SCOPES = ("trusted",)
DEPLOY = ("ecs",)
ECS = ("cluster", "region", "services")
SERVICE = (
    "task_definition",
    "containers",
    "service",
    "type",
    "family",
    "codedeploy",
    "events",
    "schedules",
    "timeout",
    "network",
    "launch_type",
)
CONTAINER = ("image", "environment", "secrets", "command", "entry_point", "labels", "log_driver", "log_options")
CODEDEPLOY = ("application", "deployment_group", "appspec", "container", "port")
NETWORK = ("subnets", "security_groups", "public_ip")
SERVICE_TYPES = ("service", "task")
LAUNCH_TYPES = ("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")
SCAN = ("fail_on", "api", "ignore")
SCAN_IGNORE = ("id", "until", "reason")
SCAN_FAIL_WORDS = ("critical", "high", "medium", "low", "informational", "any", "never")
SCAN_API_WORDS = ("auto", "harbor", "quay")
RETENTION = ("keep_last", "keep_days", "keep_branches", "keep_ecs", "keep_revisions", "keep_tags", "min_age")

BASES_WORDS: tuple[str, ...] = get_args(Bases)
VERIFY_WORDS: tuple[str, ...] = get_args(Verify)
ALLOW_WORDS = ALLOWABLE
CACHE_WORDS = ("auto", "none", "inline", "registry", "gha", "s3", "local")

FOREIGN: Mapping[str, str] = MappingProxyType(
    {
        "build_args": "args",
        "build-args": "args",
        "buildargs": "args",
        "buildArgs": "args",
        "file": "dockerfile",
        "path": "context",
        "tags": "aliases",
        "platform": "platforms",
        "additional_contexts": "contexts",
        "build_contexts": "contexts",
        "depends_on": "contexts",
        "cache_from": "cache",
        "cache_to": "cache",
        "name": "repository",
        "image": "repository",
        "services": "images",
        "targets": "images",
    }
)
"""What Compose, bake and skaffold call it."""

NAME_PATTERN = "[a-z0-9]+(?:[._-][a-z0-9]+)*"
ARGUMENT_PATTERN = "[A-Za-z_][A-Za-z0-9_]*"
ID_PATTERN = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
ECS_PATTERN = "[A-Za-z0-9_-]{1,255}"
VARIABLE_PATTERN = "[^=\\x00-\\x20]{1,255}"
LABEL_PATTERN = "[^\\x00-\\x1f]{1,255}"
REGION_PATTERN = "[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}"
FAMILY_PATTERN = rf"family:{ECS_PATTERN}(?::[1-9][0-9]{{0,8}})?"
DEFINITION_ARN_PATTERN = (
    rf"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{{12}}:task-definition/{ECS_PATTERN}(?::[1-9][0-9]{{0,8}})?"
)
AGE_PATTERN = "[1-9][0-9]{0,8}[smhdw]"
