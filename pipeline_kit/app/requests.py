"""From a plan to what BuildKit is asked for: every context named, every base pinned to the digest in the key."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.app.cache import cache_options
from pipeline_kit.app.keys import digest_name, references_of
from pipeline_kit.app.ungit import dockerfile_without_git
from pipeline_kit.config import DirectoryContext, ImageContext
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.execute.join import staging_tag
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.plan import Action
from pipeline_kit.ports.builder import BuildRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.config import Secret
    from pipeline_kit.plan import Plan, PlannedImage


@contextmanager
def build_requests(
    project: Project, plan: Plan, tagged: Tagged, around: Surroundings, *, provider: str
) -> Iterator[list[BuildRequest]]:
    """Give one request for each image to build, dependencies first; temporary files live as long as the block.

    A context that contains a ``.git``, not ignored, is sent without it (see :mod:`pipeline_kit.app.ungit`).
    Raises DockerfileError where that cannot be done.
    """
    scratch = Path(tempfile.mkdtemp(prefix="pipeline-kit-"))
    try:
        yield [_request(project, plan, image, tagged, around, provider, scratch) for image in plan.builds]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _request(
    project: Project,
    plan: Plan,
    image: PlannedImage,
    tagged: Tagged,
    around: Surroundings,
    provider: str,
    scratch: Path,
) -> BuildRequest:
    sources = tagged.sources[image.name]
    config = sources.image
    trusted = f"{project.config.registry}/{config.repository}"
    cache_from, cache_to = cache_options(
        config,
        image.repository,
        provider=provider,
        branch=around.values.get("branch", ""),
        environ=around.environ,
        trusted="" if trusted == image.repository else trusted,
    )
    contexts, args = _contexts(project, plan, sources), dict(sources.args)
    for reference, digest in _pins(sources, tagged.digests).items():
        if reference == _syntax(sources):
            args["BUILDKIT_SYNTAX"] = digest
        else:
            contexts.setdefault(reference, f"docker-image://{digest}")
    return BuildRequest(
        name=image.name,
        context=str(project.absolute(config.context)),
        dockerfile=str(_dockerfile(project, sources, scratch)),
        target=config.target,
        args=args,
        contexts=contexts,
        platforms=_platforms(plan, image),
        labels=_labels(image, around),
        repository=image.repository,
        tag=_pushed_tag(image),
        content_tag=str(image.tag),
        secrets={name: _secret(project, secret) for name, secret in config.secrets.items()},
        ssh=config.ssh,
        cache_from=cache_from,
        cache_to=cache_to,
    )


def _contexts(project: Project, plan: Plan, sources: ImageSources) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, context in sources.image.contexts.items():
        if isinstance(context, DirectoryContext):
            found[name] = str(project.absolute(context.path))
        elif isinstance(context, ImageContext):
            needed = plan.images[context.image]
            is_built = needed.action in (Action.BUILD, Action.COMPLETE)
            pinned = f"docker-image://{needed.repository}@{needed.digest}"
            found[name] = f"target:{needed.name}" if is_built else pinned
    return found


def _pins(sources: ImageSources, digests: Mapping[str, str]) -> dict[str, str]:
    """Return, for every external image by the text that names it, ``host/repository@digest``."""
    if sources.image.bases == "ignore":
        return {}
    pinned = {
        text: str(reference.with_digest(digests[digest_name(text, sources.image)]))
        for text, reference in references_of(sources).items()
        if digest_name(text, sources.image) in digests and not reference.digest
    }
    by_context = {name: c.reference for name, c in sources.image.contexts.items() if hasattr(c, "reference")}
    return {**pinned, **{name: pinned[text] for name, text in by_context.items() if text in pinned}}


def _syntax(sources: ImageSources) -> str | None:
    return next((use.reference for use in sources.uses.images if use.kind == "syntax"), None)


def _platforms(plan: Plan, image: PlannedImage) -> tuple[str, ...]:
    """Return what to build: only what is missing, unless an image built in the same run needs the whole."""
    is_needed = any(image.name in other.needs for other in plan.builds)
    return image.platforms if is_needed or not image.missing_platforms else image.missing_platforms


def _pushed_tag(image: PlannedImage) -> str:
    """Return the tag for builders that push by tag: never the content tag while it names other platforms."""
    if not image.missing_platforms:
        return str(image.tag)
    return staging_tag(str(image.tag), *image.missing_platforms)


def _labels(image: PlannedImage, around: Surroundings) -> dict[str, str]:
    found = {KEY_LABEL: str(image.key)}
    if around.values.get("sha"):
        found[REVISION_LABEL] = around.values["sha"]
    return found


def _secret(project: Project, secret: Secret) -> str:
    return f"env={secret.env}" if secret.env is not None else f"src={project.absolute(str(secret.file))}"


def _dockerfile(project: Project, sources: ImageSources, scratch: Path) -> Path:
    image = sources.image
    named = {name: c.path for name, c in image.contexts.items() if isinstance(c, DirectoryContext)}
    return dockerfile_without_git(
        sources,
        project.absolute(image.context),
        project.absolute(image.dockerfile),
        scratch / image.name,
        {name: project.absolute(path) for name, path in named.items()},
    )
