"""What deploy, promote and prune leave for the steps that follow on GitHub."""

from __future__ import annotations

import json
import re

import pytest
from fakes.github_runner import runner_reads
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline_kit.outputs.deployments import deployment_outputs, deployments_markdown
from pipeline_kit.outputs.github_files import format_outputs
from pipeline_kit.outputs.promotions import PromotionRow, promotion_outputs, promotions_markdown
from pipeline_kit.outputs.pruning import PruneRow, prune_markdown, prune_outputs

DIGEST = "sha256:" + "a" * 64


def test_a_deployments_services_are_told_by_what_became_of_them() -> None:
    """Started counts as deployed; a failure is in ``services`` alone."""
    rows = [
        ("prod/api", "arn:aws:ecs:r:1:task-definition/shop:2", "deployed", ""),
        ("prod/web", "arn:aws:ecs:r:1:task-definition/web:3", "started", ""),
        ("prod/old", "arn:aws:ecs:r:1:task-definition/old:4", "unchanged", ""),
        ("prod/bad", "", "rolled_back", "tasks failed"),
    ]
    outputs = deployment_outputs(rows)
    assert (outputs["deployed"], outputs["unchanged"]) == ('["prod/api", "prod/web"]', '["prod/old"]')
    assert json.loads(outputs["services"])["prod/bad"] == {"status": "rolled_back", "task_definition": None}


@pytest.mark.parametrize(
    "target",
    ["host:5000/shop/api:tag", f"host:5000/shop/api@{DIGEST}", f"host:5000/shop/api:tag@{DIGEST}"],
)
def test_a_promoted_image_is_named_by_its_digest_at_the_target(target: str) -> None:
    """However the target is written, and with a port in its host."""
    rows = [
        PromotionRow("api", target, DIGEST, "promoted"),
        PromotionRow("web", "host/shop/web:t", DIGEST, "unchanged"),
        PromotionRow("bad", "host/shop/bad:t", DIGEST, "failed", "refused"),
    ]
    outputs = promotion_outputs(rows)
    assert json.loads(outputs["images"]) == {
        "api": f"host:5000/shop/api@{DIGEST}",
        "web": f"host/shop/web@{DIGEST}",
    }
    assert (outputs["promoted"], outputs["unchanged"]) == ('["api"]', '["web"]')


def test_what_was_pruned_is_counted_over_all_repositories() -> None:
    """Numbers, which a step can compare."""
    rows = [PruneRow("host/a", 3, 2, 1000, 2), PruneRow("host/b", 1, 1, 24, 0)]
    assert prune_outputs(rows) == {"delete": "3", "deleted": "2", "kept": "4", "bytes": "1024"}
    assert "Nothing was deleted." in prune_markdown(rows, is_carried_out=False)
    assert "Nothing was deleted." not in prune_markdown(rows, is_carried_out=True)


@given(st.text(max_size=60))
def test_foreign_text_neither_forges_an_output_nor_marks_up_the_summary(text: str) -> None:
    """Whatever stands in names and details: the runner reads what was meant, and the page shows it as text."""
    deployed = deployment_outputs([(text, text, text, text)])
    promoted = promotion_outputs([PromotionRow(text, "host/a:t", DIGEST, "promoted", text)])
    for outputs in (deployed, promoted):
        assert runner_reads(format_outputs(outputs)) == outputs
    pages = (
        deployments_markdown([(text, text, text, text)]),
        promotions_markdown([PromotionRow(text, text, text, text, text)]),
        prune_markdown([PruneRow(text, 1, 1, 1, 1)], is_carried_out=True),
    )
    for page in pages:
        html = MarkdownIt("gfm-like", {"linkify": False}).render(page)
        tags = {tag.lstrip("/") for tag in re.findall(r"<(/?[a-zA-Z][a-zA-Z0-9]*)", html)}
        assert tags <= {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}
        assert html.count("<tr>") == 2
