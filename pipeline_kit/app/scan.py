"""``scan``: waits for the registry's own scan of every image and platform, and judges what it found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline_kit.app.chosen import Chosen, Selection, chosen_images, missing
from pipeline_kit.errors import InputError
from pipeline_kit.execute.alias_move import read_manifest
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.ports.scanner import ScanState
from pipeline_kit.scan_gate import Gate, Ignored, Scanned, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline_kit.app.session import Session
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.ports.scanner import ScanAnswer, Scanner
    from pipeline_kit.reference import Reference

_AT_ONCE = 8
_SHORTEST, _LONGEST = 2.0, 15.0


class ScanOptions(NamedTuple):
    """What was asked for; ``timeout`` in seconds for all images together, ``fail_on`` over the configuration's."""

    selection: Selection
    fail_on: str | None = None
    timeout: float = 600.0


class Target(NamedTuple):
    """One thing to scan: an image for one platform, by digest."""

    name: str
    image: Reference
    platform: str = ""


def scan_images(
    session: Session,
    options: ScanOptions,
    open_scanner: Callable[[Reference], Scanner],
    clock: Clock,
    say: Callable[[str], None],
) -> Gate:
    """Return the judgement of all scans of the images asked for.

    A scan that is missing, fails or does not end in time stands there as unread. Raises ManifestMissing for an image
    that is not there, and what the registry and its scanner raise: then nothing passes either.
    """
    chosen = chosen_images(session, options.selection)
    deadline = clock.monotonic() + options.timeout
    with ThreadPoolExecutor(_AT_ONCE, "scan") as pool:
        found = list(pool.map(lambda item: _targets(session, item), chosen))
        absent = [item for item, targets in zip(chosen, found, strict=True) if targets is None]
        if absent:
            raise missing(absent)
        targets = [target for some in found for target in some or ()]
        scans = list(
            pool.map(
                lambda item: _scanned(open_scanner(item.image), item, clock, deadline, options.timeout, say), targets
            )
        )
    rules = session.project.config.scan
    today = datetime.fromtimestamp(session.around.now, UTC).strftime("%Y-%m-%d")
    ignores = [Ignored(entry.id, entry.until, entry.reason) for entry in rules.ignore]
    return judge(scans, options.fail_on or rules.fail_on, ignores, today)


def _targets(session: Session, chosen: Chosen) -> Sequence[Target] | None:
    """Return each platform of an image, ``None`` where it is not there: registries scan no index."""
    manifest = read_manifest(session.registry, chosen.source)
    if manifest is None:
        return None
    if not manifest.is_index:
        return (Target(chosen.name, chosen.source.with_digest(manifest.digest)),)
    platforms = [child for child in manifest.children() if not child.is_attestation]
    if not platforms:
        raise InputError(f"{chosen.source} is an index without an image: there is nothing to scan")
    return [Target(chosen.name, chosen.source.with_digest(child.digest), child.platform) for child in platforms]


def _scanned(
    scanner: Scanner, target: Target, clock: Clock, deadline: float, timeout: float, say: Callable[[str], None]
) -> Scanned:
    answer = await_scan(scanner, target.image, clock, deadline, lambda text: say(f"{_title(target)}: {text}"))
    unread = answer.detail
    if answer.state is ScanState.DONE:
        unread = ""
    elif answer.state is not ScanState.FAILED:
        unread = f"no result within {timeout:.0f} s ({answer.detail})"
    return Scanned(target.name, str(target.image), target.platform, answer.findings, unread)


def await_scan(
    scanner: Scanner, image: Reference, clock: Clock, deadline: float, say: Callable[[str], None]
) -> ScanAnswer:
    """Return the last answer about a scan: done, failed, or what it was when time ran out.

    Just after a push there is none: then one is asked for, once. Looks come every 2 s at first, every 15 s later.
    """
    wait = _SHORTEST
    has_asked = False
    told = ""
    while True:
        answer = scanner.look(image)
        if answer.state in (ScanState.DONE, ScanState.FAILED):
            return answer
        if answer.state is ScanState.MISSING and not has_asked:
            has_asked = True
            refused = scanner.start(image)
            say(f"asked for a scan{f', which is not started: {refused}' if refused else ''}")
        elif answer.detail != told:
            told = answer.detail
            say(told)
        left = deadline - clock.monotonic()
        if left <= 0:
            return answer
        clock.sleep(min(wait, left))
        wait = min(_LONGEST, wait * 1.5)


def _title(target: Target) -> str:
    return f"{target.name} {target.platform}".strip()


def open_scanner(session: Session) -> Callable[[Reference], Scanner]:
    """Return a function for the scanner of an image's registry: ECR by its host, else as ``scan.api`` says."""
    import threading

    lock = threading.Lock()
    known: dict[str, Scanner] = {}

    def scanner(image: Reference) -> Scanner:
        with lock:
            if image.host not in known:
                known[image.host] = _open(session, image)
            return known[image.host]

    return scanner


def _open(session: Session, image: Reference) -> Scanner:
    from pipeline_kit.adapters.aws.ecr import parse_ecr_host

    ecr = parse_ecr_host(image.host)
    if ecr is not None:
        from pipeline_kit.adapters.aws.ecr_scan import EcrScanner
        from pipeline_kit.adapters.aws.ecs_clients import AwsClients

        return EcrScanner(AwsClients(ecr.region), ecr.account)
    from pipeline_kit.adapters.registry.credentials import DockerConfig
    from pipeline_kit.adapters.registry.scans import HarborScanner, QuayScanner, ScanApi
    from pipeline_kit.adapters.registry.transport import Transport
    from pipeline_kit.adapters.system_clock import SystemClock

    plain = session.project.config.plain_http
    transport = Transport(clock=SystemClock(), environment=session.environ, plain_http=plain)
    api = ScanApi(session.registry.session, transport, DockerConfig(session.environ), plain)
    kind = session.project.config.scan.api
    if kind == "quay" or (kind == "auto" and image.host == "quay.io"):
        return QuayScanner(api)
    if kind == "harbor" or api.ask(image, "/api/v2.0/ping").body.strip().strip(b'"') == b"Pong":
        return HarborScanner(api)
    raise InputError(
        f"{image.host} is neither ECR nor Harbor nor quay.io, and nothing else is known to tell of its scans",
        hint="write 'scan: {api: quay}' or 'scan: {api: harbor}' if it is one",
    )
