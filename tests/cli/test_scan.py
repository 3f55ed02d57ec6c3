"""scan and lifecycle-policy as CI uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.dated_images import put
from fakes.project_files import tags

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

BOTH = ["linux/amd64", "linux/arm64"]


def harbor(shop: Shop, *severities: str, state: str = "Success") -> None:
    """Let the registry be a Harbor whose scans of every image are like this."""

    def say(path: str, document: Any) -> None:
        body = json.dumps(document).encode()
        shop.registry.add_rule(path=path, status=200, headers={"Content-Type": "application/json"}, body=body)

    flaws = [{"id": f"CVE-{word}", "severity": word, "package": "libc", "version": "1"} for word in severities]
    say("/additions/vulnerabilities$", {"m": {"vulnerabilities": flaws}})
    say("with_scan_overview", {"scan_overview": {"m": {"scan_status": state}}})
    shop.registry.add_rule(path="/api/v2.0/ping$", status=200, body=b"Pong")


def pushed(shop: Shop, **top: Any) -> None:
    """Write the configuration, and let the registry hold web for two platforms."""
    if top:
        shop.write(**top)
        shop.commit()
    shop.registry.put_image("shop/web", tags(shop.root)["web"], BOTH)


def test_the_gate(shop: Shop) -> None:
    """Each platform by itself, exit 1 with what fails; a limit above it passes."""
    pushed(shop)
    harbor(shop, "High", "Low")
    shop.golden("scan-fails", shop.run("scan", "web"))
    passed = shop.run("scan", "web", "--fail-on", "critical", "--json")
    assert passed.code == 0, passed.err
    document = passed.json()
    assert [one["platform"] for one in document["images"]] == BOTH
    assert document["images"][0]["counts"] == {"high": 1, "low": 1}


def test_the_ignore_list_and_the_summary(shop: Shop) -> None:
    """An entry that has expired is told, fails again, and stands in the job's summary."""
    ignore = [
        {"id": "CVE-High", "until": "2099-01-01", "reason": "no fix yet"},
        {"id": "CVE-Critical", "until": "2020-01-01", "reason": "old"},
    ]
    pushed(shop, scan={"fail_on": "high", "ignore": ignore})
    harbor(shop, "High", "Critical")
    summary = shop.root / "summary.md"
    ran = shop.run("scan", "web", "--summary", "summary.md")
    assert ran.code == 1
    assert "CVE-Critical was ignored until 2020-01-01" in ran.err
    assert "CVE-Critical" in summary.read_text()
    assert "Image scan" in summary.read_text()
    assert "CVE-High" not in ran.out


@pytest.mark.parametrize("state", ["Error", "Running"])
def test_a_scan_that_cannot_be_read_is_no_pass(shop: Shop, state: str) -> None:
    """It failed, or did not end in time: exit 1 even with --fail-on never."""
    pushed(shop)
    harbor(shop, state=state)
    ran = shop.run("scan", "web", "--timeout", "0", "--fail-on", "never")
    assert ran.code == 1
    assert "no scan:" in ran.out


def test_a_registry_without_scans_and_an_image_that_is_not_there(shop: Shop) -> None:
    """Exit 2 and 3, each with the next step."""
    pushed(shop)
    ran = shop.run("scan", "web")
    assert (ran.code, "scan: {api: quay}" in ran.err) == (2, True)
    assert shop.run("scan", "api").code == 3


def test_a_policy_is_written_and_simulated(shop: Shop) -> None:
    """What a policy would delete of what is in use: exit 1 and which rule does it."""
    shop.write(retention={"keep_last": 5, "keep_tags": ["v*"]}, tag_prefix="c-")
    shop.commit()
    shop.golden("lifecycle-policy", shop.run("lifecycle-policy"))
    put(shop, tags(shop.root)["web"], days=50)
    put(shop, f"c-{'a' * 40}", days=5)
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    policy = shop.root / "policy.json"
    policy.write_text(json.dumps({"lifecyclePolicyText": json.dumps({"rules": [rule]})}))
    ran = shop.run("lifecycle-policy", "web", "--simulate", "policy.json", "--json")
    assert ran.code == 1, ran.err
    (found,) = [item for item in ran.json() if item["tags"]]
    assert (found["in_use"], found["rule"], found["tags"]) == (True, 1, [tags(shop.root)["web"]])
    assert "IN USE: branch main" in shop.run("lifecycle-policy", "web", "--simulate", "policy.json").out
    policy.write_text("[")
    assert shop.run("lifecycle-policy", "--simulate", "policy.json").code == 2
