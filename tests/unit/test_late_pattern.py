from __future__ import annotations

import re
import subprocess
import sys

from pipeline_kit.late_pattern import late_pattern


def test_a_late_pattern_does_what_the_pattern_does() -> None:
    """Its methods, its attributes and its flags."""
    late = late_pattern(r"(?P<name>a+)b", re.IGNORECASE)
    found = late.fullmatch("AAb")
    assert found is not None
    assert found["name"] == "AA"
    assert late.sub("x", "ab AB") == "x x"
    assert late.pattern == r"(?P<name>a+)b"
    assert late_pattern(rb"\xff").search(b"\xff") is not None


def test_nothing_is_compiled_before_it_is_asked() -> None:
    """That is what it is for."""
    code = "import re; from pipeline_kit.late_pattern import late_pattern; re.compile = None; late_pattern('a')"
    subprocess.run([sys.executable, "-c", code], check=True)
