"""What makes a checkout untrustworthy and may be allowed all the same, by ``--allow`` or ``allow:`` (design D4).

The names are those of doctor's rules. What is allowed is built as it lies on disk, and counts so.
"""

from __future__ import annotations

LFS_POINTER = "lfs-pointer"
SUBMODULE_MISSING = "submodule-missing"
SPARSE = "sparse"
SKIP_WORKTREE = "skip-worktree"
ALLOWABLE = (LFS_POINTER, SUBMODULE_MISSING, SPARSE, SKIP_WORKTREE)
