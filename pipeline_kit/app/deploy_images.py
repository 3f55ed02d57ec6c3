"""The digests that task definitions take: from what the registry holds, or from a build made first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app import task_definitions
from pipeline_kit.app.planning import make_plan
from pipeline_kit.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline_kit.app.job import OpenBuilder
    from pipeline_kit.app.session import Session
    from pipeline_kit.config import EcsService
    from pipeline_kit.ports.builder import BuildEvent


def wanted_images(chosen: Iterable[tuple[str, EcsService]]) -> tuple[str, ...]:
    """Return the names of the images that the ``chosen`` services take, each once."""
    return tuple(dict.fromkeys(image for _, service in chosen for image in service.containers.values()))


def pinned_images(session: Session, chosen: Iterable[tuple[str, EcsService]]) -> dict[str, str]:
    """Return ``host/repository@digest`` by image name; the registry has to hold every one of them.

    Raises RegistryRefused, RegistryUnreachable, InputError for one that is missing, and what planning raises.
    """
    wanted = wanted_images(chosen)
    if not wanted:
        return {}
    plan, _ = make_plan(session.project, wanted, session.around, session.registry)
    return task_definitions.present(plan, wanted)


def built_images(
    session: Session,
    chosen: Iterable[tuple[str, EcsService]],
    open_builder: OpenBuilder,
    on_event: Callable[[BuildEvent], None],
    say: Callable[[str], None],
) -> dict[str, str]:
    """Build and push what is missing, and return ``host/repository@digest`` by image name.

    Raises BuildFailed when an image was not built, and what :func:`pipeline_kit.app.job.run_build` raises.
    """
    from pipeline_kit.app.job import BuildOptions, run_build
    from pipeline_kit.outputs.text import result_lines, summary_line

    wanted = wanted_images(chosen)
    if not wanted:
        return {}
    report = run_build(session, BuildOptions(wanted), open_builder, on_event)
    for line in (*result_lines(report), summary_line(report)):
        say(line)
    if report.exit_code:
        failed = [f"  {image.name}: {image.error}" for image in report.images if image.error]
        raise BuildFailed("nothing was deployed, because not every image was built:\n" + "\n".join(failed))
    return {image.name: image.pinned for image in report.images if image.pinned is not None}
