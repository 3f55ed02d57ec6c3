"""Whatever stands in names, texts and answers: nothing is carried out, no output forged, the summary shows it as text.

Every command is run as a GitHub step would run it, and what it prints and writes is read as the runner reads it.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from fakes.command_line import Ran
from fakes.github_runner import runner_acts, runner_reads
from fakes.strict_pages import assert_flowchart, judge_html
from markdown_it import MarkdownIt

from pipeline_kit.cli.entry import _guarded

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

PAYLOADS = (
    "::set-output name=pwned::1",
    "::add-mask::pwned",
    "::error::pwned",
    "  ::save-state name=pwned::1",
    "##[add-mask]pwned",
    "x ##[set-env name=pwned;]1",
    "::stop-commands::pwned",
    "::add-path::/pwned",
    "%0A::error::pwned",
    "a%0D%0Apwned<<EOF",
    "pwned=1",
    "pwned<<EOF",
    "ghadelimiter_",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "${{ secrets.PWNED }}",
    "\x1b[2J\x1b]0;pwned\x07",
    "\x1b[1A\x1b[2Kpwned",
    "\u202edenwp",
    "<img src=x onerror=pwned()>",
    "</details><script>pwned()</script>",
    "![pwned](https://evil.example/a.png)",
    "[pwned](https://evil.example)",
    "| pwned | pwned |",
    "```\n# pwned\n```",
    "--upload-pack=touch pwned",
    "-rf",
    "pwned\rx",
)
_KNOWN = {"h3", "p", "em", "strong", "table", "thead", "tbody", "tr", "th", "td", "br", "code", "ul", "li"}
_KNOWN |= {"details", "summary", "pre"}
_OUTPUTS = {"images", "digests", "built", "skipped", "matrix", "task-definition"}
_PLAN_OUTPUTS = {"has-work", "count", "join", "build", "skip", "levels", "matrix", "markdown"}
_JSON = {"images", "digests", "built", "skipped", "matrix", "build", "skip", "levels"}
_OURS = re.compile(r"::(?:error|warning|notice)(?: |::)|::group::|::endgroup::|::stop-commands::[0-9a-f]{32}$")


class Step:
    """A step's environment and what was left in its files."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.output, self.summary, self.html = folder / "output", folder / "summary", folder / "page.html"
        self.forbidden = [folder / "env", folder / "path", folder / "state"]
        event = folder / "event.json"
        event.write_text("{}")
        self.environ = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_SHA": "1" * 40,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_ENV": str(self.forbidden[0]),
            "GITHUB_PATH": str(self.forbidden[1]),
            "GITHUB_STATE": str(self.forbidden[2]),
            **variables,
        }

    def run(self, shop: Shop, *words: str) -> Ran:
        """Run a command in this process, for there are many, and judge everything it printed and wrote."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(shop.root)
            for name, value in self.environ.items():
                patch.setenv(name, value)
            code = _guarded(words, None)
        out.flush()
        err.flush()
        ran = Ran(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))
        self.judge(shop, ran)
        return ran

    def judge(self, shop: Shop, ran: Ran) -> None:
        """Fail for anything that was acted on, forged, or left where later steps would find it."""
        told = [*ran.out.split("\n"), *ran.err.split("\n")]
        acted = [line.strip() for line in runner_acts(ran.out.split("\n")) + runner_acts(ran.err.split("\n"))]
        acted += [line.strip() for line in told if line.lstrip().startswith("::stop-commands::")]
        foreign = [line for line in acted if not _OURS.match(line) or line in PAYLOADS]
        assert foreign == []
        assert all(line.replace("\t", "").isprintable() for line in told), ran.err + ran.out
        assert not [path for path in self.forbidden if path.exists() and path.read_bytes()]
        assert not (shop.root / "pwned").exists()
        assert not (self.folder / "pwned").exists()
        if self.output.exists():
            outputs = runner_reads(self.output.read_text())
            assert set(outputs) <= _OUTPUTS | _PLAN_OUTPUTS
            for name in outputs.keys() & _JSON:
                json.loads(outputs[name])
            self.judge_page(outputs.get("markdown", ""))
        if self.summary.exists():
            self.judge_page(self.summary.read_text())
            self.summary.unlink()
        if self.html.exists():
            judge_html(self.html.read_text())
            self.html.unlink()

    def judge_page(self, text: str) -> None:
        """Fail for Markdown that shows anything but text in elements of ours, and graphs in our grammar."""
        page = MarkdownIt("gfm-like", {"linkify": False}).render(text)
        graphs = re.findall(r'<pre><code class="language-mermaid">([^<]*)</code></pre>', page)
        for graph in graphs:
            if not graph.startswith("gantt\n"):
                assert_flowchart(html.unescape(graph))
        rest = re.sub(r'<pre><code class="language-mermaid">[^<]*</code></pre>', "", page)
        assert {tag.lstrip("/") for tag in re.findall(r"<(/?[a-zA-Z][a-zA-Z0-9]*)[^>]*>", rest)} <= _KNOWN
        assert re.findall(r"<!--.*?-->", rest) == ["<!-- pipeline-kit plan -->"] * rest.count("<!--")


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Give a step of a push to main."""
    folder = tmp_path / "step"
    folder.mkdir()
    return Step(folder)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_refs_and_variables_of_the_ci(shop: Shop, step: Step, payload: str) -> None:
    """Branch names as environment variables; git's own grammar keeps the worst out of refs, not out of variables."""
    shop.push()
    clean = payload.replace("\0", "")
    for name in ("GITHUB_REF", "GITHUB_HEAD_REF", "GITHUB_BASE_REF", "GITHUB_SHA", "GITHUB_SERVER_URL"):
        step.environ = {**Step(step.folder).environ, name: f"refs/heads/{clean}" if name == "GITHUB_REF" else clean}
        assert step.run(shop, "build").code == 0
    step.run(shop, "doctor", "--only", "ci")
    event = {"pull_request": {"number": payload, "head": {"sha": payload, "repo": {"full_name": payload}}}}
    (step.folder / "event.json").write_text(json.dumps(event))
    step.environ["GITHUB_EVENT_NAME"] = payload
    step.run(shop, "plan")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_files_branches_and_commits(shop: Shop, step: Step, payload: str) -> None:
    """Names that git takes, and a commit message and author that hold everything."""
    name = payload.replace("/", "_").replace("\n", "\n::error::pwned\n").encode()[:200]
    (shop.root / "api").joinpath(os.fsdecode(name)).write_text(payload)
    branch = re.sub(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//", "-", payload).strip("-./") or "x"
    shop.git("checkout", "--quiet", "-b", f"b/{branch}")
    shop.git("add", "--all")
    who = ["-c", f"user.name={payload.strip() or 'x'}", "-c", "user.email=t@example.invalid"]
    shop.git(*who, "commit", "--quiet", "--message", f"{payload}\n\n{payload}")
    shop.push("base", "web")
    for words in (
        ("plan",),
        ("plan", "--json"),
        ("plan", "--format", "markdown", "--html", str(step.html)),
        ("plan", "--format", "mermaid"),
        ("plan", "--format", "github-matrix", "--per-platform"),
        ("explain", "api"),
        ("explain", "api", "--json"),
        ("explain", "api", "--against", "HEAD~1"),
        ("doctor", "--only", "checkout"),
        ("tag",),
        ("--log-format", "json", "build"),
        ("build", "--json"),
        ("build", "--html", str(step.html)),
    ):
        step.run(shop, *words)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_dockerfiles_and_configurations(shop: Shop, step: Step, payload: str) -> None:
    """Wrong in every way that is quoted in a message."""
    dockerfile = shop.root / "web/Dockerfile"
    for text in (
        f"FROM scratch\n{payload}\n",
        f"FROM {payload}\n",
        f"FROM scratch\nCOPY {payload} /\nRUN <<{payload}\n",
        f"FROM scratch AS {payload}\nRUN --mount={payload} x\n",
        f'FROM scratch\nLABEL a="{payload}"\nARG X={payload}\nENV Y=$X\n',
    ):
        dockerfile.write_text(text)
        step.run(shop, "plan", "--html", str(step.html))
        step.run(shop, "doctor", "--only", "checkout")
    dockerfile.write_text("FROM scratch\n")
    documents: list[dict[str, Any]] = [
        {payload: {"context": "web"}},
        {"web": {"context": payload}},
        {"web": {"context": "web", "repository": payload}},
        {"web": {"context": "web", payload: 1}},
        {"web": {"context": "web", "args": {"A": payload}, "aliases": [payload]}},
        {"web": {"context": "web", "platforms": [payload], "target": payload}},
    ]
    for images in documents:
        shop.write(images)
        step.run(shop, "plan")
        step.run(shop, "build", "--json")
        step.run(shop, "config")
    (shop.root / "pipeline-kit.yaml").write_text(payload, errors="surrogateescape")
    step.run(shop, "plan")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_registry_says(shop: Shop, step: Step, payload: str) -> None:
    """Error bodies, warnings and reason texts, in plans, reports, doctor and login."""
    shop.push()
    line = re.sub(r"[^\x20-\x7e]", " ", payload).replace('"', "'")
    body = json.dumps({"errors": [{"code": payload.upper(), "message": payload, "detail": payload}]}).encode()
    warning = {"Warning": f'299 - "{line}"'}
    shop.registry.add_rule(path="/shop/web/manifests", do="headers", headers=warning, times=1)
    done = step.run(shop, "build", "--json", "--html", str(step.html))
    assert done.code == 0
    assert "".join(re.findall(r"\w", line)) in "".join(re.findall(r"\w", "".join(done.json()["warnings"])))
    for status in (401, 403, 404, 400, 503):
        often = 1 if status == 503 else 9
        rule = shop.registry.add_rule(
            path="/shop/web/manifests", status=status, body=body, headers=warning, times=often
        )
        step.run(shop, "-v", "build")
        rule.times = often
        step.run(shop, "plan", "--format", "markdown", "--html", str(step.html))
        rule.times = often
        step.run(shop, "doctor", "--only", "registry")
        rule.times = 0
    shop.registry.add_rule(path="/v2/$", status=401, body=body, headers={"WWW-Authenticate": f'Basic realm="{line}"'})
    step.run(shop, "login", shop.registry.host)


def test_an_honest_run_says_everything(shop: Shop, step: Step) -> None:
    """The judge above lets our own commands and pages through."""
    shop.push()
    ran = shop.run("build", env=step.environ)
    assert ran.code == 0
    outputs = runner_reads(step.output.read_text())
    assert set(outputs) == _OUTPUTS
    assert json.loads(outputs["skipped"]) == ["base", "web", "api"]
    assert "### pipeline-kit" in step.summary.read_text()
    step.judge(shop, ran)
    shop.write({"web": {"context": "nowhere"}})
    refused = step.run(shop, "plan")
    assert refused.code == 2
    assert any(line.startswith("::error file=pipeline-kit.yaml,line=") for line in refused.err.splitlines())


def test_the_judge_finds_what_it_looks_for() -> None:
    """Payloads printed as they are would be seen."""
    seen = [payload for payload in PAYLOADS if runner_acts(payload.split("\n"))]
    assert len(seen) == 7  # and ::stop-commands::, which is looked for by itself
