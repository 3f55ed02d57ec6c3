"""A shop that deploys to the ECS double: its project, and deployments of it with time that passes only in sleeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.fake_clock import FakeClock
from fakes.project_files import write_files

from pipeline_kit.app.clouds import open_cloud
from pipeline_kit.app.deploy import Deployer, DeployOptions
from pipeline_kit.app.session import open_session
from pipeline_kit.app.task_definitions import services

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fakes.fake_ecs import FakeEcs, FakeService
    from fakes.fake_registry import FakeRegistry

    from pipeline_kit.app.deploy_report import DeployReport, ServiceResult

DOCUMENT: dict[str, Any] = {
    "family": "shop",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [
        {
            "name": "api",
            "image": "later",
            "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/shop", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-west-1"},
            },
        }
    ],
}


@dataclass(slots=True)
class EcsShop:
    """A project in ``root`` whose image ``api`` is in ``registry`` and whose service runs in ``ecs``."""

    root: Path
    ecs: FakeEcs
    registry: FakeRegistry
    environment: Mapping[str, str]
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[str] = field(default_factory=list)
    digest: str = ""

    def write(self, document: Mapping[str, Any] = DOCUMENT, **service: Any) -> None:
        """Write the project; ``service`` are members of its configuration."""
        api = {"task_definition": "ecs.json", "containers": {"api": "api"}, **service}
        self.configure({"api": api})
        write_files(
            self.root, {"api/Dockerfile": "FROM scratch\nCOPY . /\n", "ecs.json": json.dumps(document, indent=2)}
        )

    def configure(self, written: Mapping[str, Any]) -> None:
        """Write the configuration with these services."""
        config = {
            "version": 1,
            "project": "shop",
            "registry": self.registry.host,
            "images": {"api": {"context": "api"}},
            "deploy": {"ecs": {"prod": {"cluster": "prod", "services": written}}},
        }
        write_files(self.root, {"pipeline-kit.yaml": json.dumps(config, indent=1)})

    def image(self, digest: str = "a") -> str:
        """Return an image reference by digest."""
        return f"{self.registry.host}/shop/api@sha256:{digest * 64}"

    def running(self, name: str = "api", digest: str = "0", **members: Any) -> FakeService:
        """Let the service run an older image."""
        document = json.loads(json.dumps(DOCUMENT))
        document["containerDefinitions"][0]["image"] = self.image(digest)
        return self.ecs.state.service(name, self.ecs.state.family(document), **members)

    def deploy(self, *names: str, digest: str = "a", **options: Any) -> DeployReport:
        """Deploy in this process; verification is off unless asked for."""
        with open_session(self.root, None, self.environment) as session:
            config = session.project.config
            deployer = Deployer(
                session,
                lambda name: open_cloud(config.ecs[name], config.registry, self.environment),
                self.clock,
                lambda key, text: self.told.append(f"{key}: {text}"),
            )
            chosen = services(session.project, names)
            return deployer.deploy(chosen, {"api": self.image(digest)}, DeployOptions(**{"verify": False, **options}))

    def result(self, **options: Any) -> ServiceResult:
        """Deploy the one service and return what became of it."""
        (result,) = self.deploy(**options).results
        return result
