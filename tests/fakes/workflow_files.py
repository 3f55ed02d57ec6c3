"""Workflows to run: one step for an action, or an example with the test's registry in the place of the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fakes.act_runner import OURS, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.main_job import Job

EXAMPLES = ROOT / "examples" / "workflows"


def one_step(job: Job, action: str, inputs: Mapping[str, str], *, login: bool = True, more: str = "") -> str:
    """Write a workflow of one job whose step ``it`` uses an action; return the workflow's name."""
    given = dict(inputs)
    if login:
        given |= {"registry": job.registry, "username": "ann", "password": "${{ github.token }}"}
    lines = "".join(f"          {name}: {json.dumps(value)}\n" for name, value in given.items())
    with_inputs = f"        with:\n{lines}" if lines else ""
    job.write(
        ".github/workflows/one.yml",
        f"""\
name: one
on: [push, pull_request]
permissions: {{}}
jobs:
  one:
    name: one
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2
        with: {{persist-credentials: false}}
      - uses: {OURS}/actions/{action}@COMMIT
        id: it
{with_inputs}{more}""",
    )
    return "one"


def example(job: Job, *names: str) -> str:
    """Copy examples, where ghcr.io and its token become the test's registry; return the first one's name."""
    for name in names:
        text = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")
        login = f'registry: "{job.registry}"'
        for old, indent in (("{registry: ghcr.io}", ""), ("registry: ghcr.io", " " * 10)):
            between = f"\n{indent}" if indent else ", "
            new = f'{login}{between}username: ann{between}password: "${{{{ github.token }}}}"'
            text = text.replace(old, new if indent else f"{{{new}}}")
        for host in ("ghcr.io", "europe-west1-docker.pkg.dev"):
            text = text.replace(host, job.registry)
        job.write(f".github/workflows/{name}.yml", text)
    return names[0]
