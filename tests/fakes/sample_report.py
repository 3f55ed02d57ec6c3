"""A report with every status in it, and the strings that attack whatever renders it."""

from __future__ import annotations

from pipeline_kit.config.model import Location
from pipeline_kit.outputs.report import AliasResult, Attempt, ImageResult, RunReport, StepResult, TaskDefinitionResult
from pipeline_kit.plan import Status
from pipeline_kit.reference import Reference
from pipeline_kit.values import replace

HOSTILE = (
    "a\nb",
    "a\r\n::set-output name=x::y",
    "::error::gone",
    "  ::add-mask::a",
    "##[add-mask]a",
    "::stop-commands::ghadelimiter",
    "ghadelimiter_",
    "images<<EOF\nx\nEOF",
    "%0A::error::x",
    "${{ secrets.TOKEN }}",
    "```\n# heading\n```",
    "<img src=x onerror=alert(1)>",
    "[text](https://evil.example)",
    "![picture](https://evil.example/a.png)",
    "a | b | c",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "progress 10%\rprogress 20%",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "www.evil.example and https://evil.example",
    "lone \ud800 surrogate",
    "käse 🐳 \u00e9 名前",
    "&lt;b&gt; &amp;",
    "- item",
    "1. item",
    "\x00\x07\x7f\x9b",
    "<!-- comment",
    "</details></pre>",
    "\\",
)


def digest(character: str) -> str:
    """Return a digest of one repeated hex digit."""
    return f"sha256:{character * 64}"


def image(name: str, status: Status, **members: object) -> ImageResult:
    """Return one image of the sample repository."""
    reference = Reference("registry.example:5000", f"shop/{name}", tag="c-0123456789abcdef01234567")
    base = ImageResult(name, status, "c-0123456789abcdef01234567", reference)
    return _replaced(base, members)


def sample(*, hostile: str = "") -> RunReport:
    """Return a run with every status; ``hostile`` stands wherever free text can stand."""
    text = hostile or "the Dockerfile changed"
    built = image(
        "api",
        Status.BUILT,
        digest=digest("a"),
        seconds=12.3456,
        started=0.5,
        size=1234,
        reasons=(text, "base image moved"),
        aliases=(AliasResult("main", "moved"), AliasResult("v1", "failed", text), AliasResult("old", "unchanged")),
        attempts=(Attempt(1, "transient-http", 503, 1.25),),
        steps=(StepResult("build", 0.5, 10.0, text), StepResult("push", 10.5, 2.3)),
    )
    failed = image(
        "worker",
        Status.FAILED,
        seconds=3.0,
        error=text,
        log_tail=(text, "exit code: 1"),
        location=Location("services/worker/Dockerfile", 7, 3),
    )
    others = (
        image("web", Status.SKIPPED, digest=digest("b"), reasons=("present",)),
        image("jobs", Status.REUSED, digest=digest("c"), seconds=5.0, started=1.0),
        image("many", Status.COMPLETED, digest=digest("d"), seconds=9.0, started=2.0),
        image("cron", Status.BLOCKED, error="worker failed"),
    )
    return RunReport(
        images=(built, failed, *others),
        exit_code=1,
        seconds=21.0,
        plan_seconds=0.25,
        requests=41,
        retries=1,
        commit="1" * 40,
        ref="refs/heads/main",
        tree="work tree",
        run_url="https://ci.example/1",
        task_definitions=(
            TaskDefinitionResult("prod", "api", "out/api.json", {"api": f"registry.example/shop/api@{digest('a')}"}),
        ),
        warnings=(text,),
        tool_version="0.1.0",
    )


def _replaced(base: ImageResult, members: dict[str, object]) -> ImageResult:
    return replace(base, **members)
