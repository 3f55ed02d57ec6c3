"""``pipeline-kit lifecycle-policy``: ECR's own clean-up, written from ``retention:`` or tried on the images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import (
    images_argument,
    json_option,
    manifests_option,
    open_session,
    print_json,
    print_product,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.app.prune import Simulated
    from pipeline_kit.cli.main import Settings

_LARGEST = 1024 * 1024


@click.command("lifecycle-policy")
@images_argument
@json_option
@option(
    "--simulate",
    "policy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Show what this policy would delete of the images there are, and what of that is in use.",
)
@manifests_option
@click.pass_obj
def command(
    settings: Settings, images: tuple[str, ...], as_json: bool, policy: Path | None, manifests: tuple[Path, ...]
) -> int:
    """Print an ECR lifecycle policy made from retention:, or simulate one with --simulate. Nothing is changed.

    With --simulate the exit code is 1 where the policy would delete an image that is in use.
    """
    from pipeline_kit.app.prune import PruneOptions, Pruner, open_store, open_where, retention_of
    from pipeline_kit.retention.lifecycle import generate_policy, parse_policy

    with open_session(settings) as session:
        if policy is None:
            made = generate_policy(retention_of(session), session.project.config.tag_prefix)
            for warning in made.warnings if settings.verbosity >= 0 else ():
                say(f"warning: {warning}")
            print_json(made.document)
            return 0
        rules = parse_policy(_read(policy))
        pruner = Pruner(session, open_store(session), open_where(session))
        found = pruner.simulate(rules, PruneOptions(images, manifests))
    harmful = [item for item in found if item.decided.is_used]
    if as_json:
        print_json([_item(item) for item in found])
    else:
        print_product("\n".join(_lines(found)) or "it would delete nothing")
    if settings.verbosity >= 0:
        say(f"{len(found)} would go, {len(harmful)} of them in use")
    return 1 if harmful else 0


def _read(path: Path) -> Any:
    from pipeline_kit.errors import InputError

    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is not JSON") from error
    # What `aws ecr get-lifecycle-policy` prints holds the policy as a text.
    text = document.get("lifecyclePolicyText") if isinstance(document, dict) else None
    try:
        return json.loads(text) if isinstance(text, str) else document
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its lifecyclePolicyText is not JSON") from error


def _lines(found: Sequence[Simulated]) -> list[str]:
    from pipeline_kit.outputs.columns import aligned

    rows = [
        (
            item.repository.name,
            item.decided.image.digest.partition(":")[2][:12],
            ",".join(item.decided.image.tags[:2]) or "-",
            f"rule {item.rule}",
            f"IN USE: {item.decided.reason}" if item.decided.is_used else item.decided.reason,
        )
        for item in sorted(found, key=lambda item: not item.decided.is_used)
    ]
    return aligned([("REPOSITORY", "DIGEST", "TAGS", "BY", "PRUNE SAYS"), *rows]) if rows else []


def _item(item: Simulated) -> dict[str, Any]:
    return {
        "repository": item.repository.name,
        "digest": item.decided.image.digest,
        "tags": list(item.decided.image.tags),
        "action": item.action,
        "rule": item.rule,
        "in_use": item.decided.is_used,
        "prune": "keep" if item.decided.keep else "delete",
        "reason": item.decided.reason,
    }
