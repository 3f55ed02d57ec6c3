"""Images in a fake registry with the build records that a run would have left beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.project_files import environment

from pipeline_kit.app.planning import make_plan
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.app.trust import recorder_for
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.plan import Status
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fakes.fake_registry import FakeRegistry


def push_recorded(
    root: Path,
    registry: FakeRegistry,
    *names: str,
    seconds: float = 10.0,
    created: int = 0,
    recorded: bool = True,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Push ``names`` (all) under their content tags as a run with these variables does; return their digests."""
    with open_session(root, None, environment(**(environ or {}))) as session:
        wanted = names or tuple(session.project.config.images)
        tagged = compute_tags(session.project, wanted, session.around, lambda: session.registry)
        plan, _ = make_plan(session.project, wanted, session.around, session.registry, tagged=tagged)
        session.know_commit()
        if created:
            session.around = session.around._replace(now=float(created))
        recorder = recorder_for(session, tagged)
        digests = {}
        for image in (plan.images[name] for name in wanted):
            repository = parse_reference(image.repository).repository
            labels = {KEY_LABEL: str(image.key)}
            digests[image.name] = registry.put_image(repository, image.tag, image.platforms, labels=labels).digest
            if recorded:
                recorder.record(image, digests[image.name], seconds, Status.BUILT)
        assert recorder.warning == ""
    registry.log.clear()
    return digests
