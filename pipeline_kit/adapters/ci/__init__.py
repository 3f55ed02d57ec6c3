"""What the CI system says about this run: commit, ref, pull request, where outputs go (design D5, D7, D12).

Read from the environment the CI system sets, never from the tree. What is missing or contradicts itself is left empty
and said in :attr:`Ci.warnings`; nothing is guessed, because the ref decides what a run may write.
"""

from __future__ import annotations

from pipeline_kit.adapters.ci.context import Ci
from pipeline_kit.adapters.ci.detection import detect

__all__ = ["Ci", "detect"]
