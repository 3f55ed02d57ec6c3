"""``stats``: the build records of the configured repositories, and reports of runs."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.app.tagging import repository_of
from pipeline_kit.build_stats import ImageStats, Seen, image_stats, read_report
from pipeline_kit.content_tag import TAG_HEX
from pipeline_kit.errors import InputError
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.execute.records import Listed, list_records, read_record
from pipeline_kit.plan import Verdict
from pipeline_kit.scopes import TRUSTED_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline_kit.app.session import Session
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.record import BuildRecord
    from pipeline_kit.reference import Reference

_AT_ONCE = 16
_LARGEST_REPORT = 64 * 1024 * 1024


def read_reports(paths: Sequence[Path]) -> tuple[Seen, ...]:
    """Return what all reports say of their images. Raises InputError for a file that is no report."""
    return tuple(seen for path in paths for seen in _read_file(path))


def _read_file(path: Path) -> tuple[Seen, ...]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_REPORT)
        return read_report(json.loads(data))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        why = "it is not JSON" if type(error) is not ValueError else str(error)
        raise InputError(f"{path}: {why}", hint="made by: pipeline-kit build --report FILE") from error


def collect(session: Session, wanted: Sequence[str], seen: Sequence[Seen], *, most: int) -> tuple[ImageStats, ...]:
    """Return what is known of each of ``wanted``, of its newest ``most`` builds.

    Raises RegistryRefused or RegistryUnreachable: half the records would tell something else.
    """
    with ThreadPoolExecutor(_AT_ONCE, "stats") as pool:
        found = {name: _records(session, name, pool, most) for name in wanted}
    return tuple(image_stats(name, found[name], seen) for name in wanted)


def _records(session: Session, name: str, pool: ThreadPoolExecutor, most: int) -> list[BuildRecord]:
    """Return the newest records of trusted runs: the lanes of untrusted ones tell nothing of who uses the image."""
    registry = session.registry
    repository = repository_of(session.project, session.project.config.images[name])
    images = _images(registry, repository, session.project.config.tag_prefix)
    listed: Iterable[list[Listed]] = pool.map(lambda pinned: list_records(registry, pinned), images)
    newest = sorted((item for items in listed for item in items), key=lambda item: item.created)[-most:]
    records = pool.map(lambda item: read_record(registry, item), newest)
    return [record for record in records if record is not None and record.scope == TRUSTED_NAME]


def _images(registry: ContentRegistry, repository: Reference, prefix: str) -> list[Reference]:
    """Return the images under content tags, each once, whatever their prefix was at the time if there is none now."""
    form = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{{TAG_HEX}}}")
    tagged = [repository.with_tag(tag) for tag in registry.tags(repository) if form.fullmatch(tag)]
    digests: dict[str, Reference] = {}
    for reference, answer in zip(tagged, registry.observe_all(tagged), strict=True):
        require_certain(answer, reference)
        if answer.verdict is Verdict.PRESENT and answer.digest:
            digests[answer.digest] = repository.with_digest(answer.digest)
    return list(digests.values())
