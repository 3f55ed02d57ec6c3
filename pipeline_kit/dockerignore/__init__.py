"""``.dockerignore`` as BuildKit reads it: which entries of a directory are sent to a build.

The rules are those of moby/patternmatcher (reading, pattern language) and of tonistiigi/fsutil's filtering walk,
followed rule by rule and compared with a real BuildKit in ``tests/integration/test_dockerignore_differential.py``.
"""

from __future__ import annotations

from pipeline_kit.dockerignore.rules import IgnoreRules, Walk, ignore_file_candidates

__all__ = ["IgnoreRules", "Walk", "ignore_file_candidates"]
