"""The rules of doctor (design D4): how bad each is, what it means and what to do about it."""

from __future__ import annotations

from pipeline_kit.checkup.findings import Severity
from pipeline_kit.checkup.rule import Rule
from pipeline_kit.checkup.service_rules import SERVICE_RULES

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_IGNORE = "list in .dockerignore what the image does not need"

_ALL = (
    Rule(
        "git-missing",
        _ERROR,
        "there is a .git, and no git program to read it with",
        "install git 2.35 or later, or build from a copy without .git",
    ),
    Rule("git-too-old", _ERROR, "git would ignore settings that keep it safe", "install git 2.35 or later"),
    Rule(
        "dubious-ownership",
        _ERROR,
        "git refuses a checkout that belongs to another user",
        "name the checkout in git's safe.directory setting",
    ),
    Rule("git-failed", _ERROR, "git could not answer", "correct what git complains about, then run doctor again"),
    Rule("image-unread", _ERROR, "what enters the image is not known", "correct it, then run doctor again"),
    Rule(
        "lfs-pointer",
        _ERROR,
        "Git LFS pointers instead of content: the image would hold the pointer",
        "git lfs install --local && git lfs pull",
    ),
    Rule(
        "submodule-missing",
        _ERROR,
        "submodules are not checked out: the image would hold empty directories",
        "git submodule update --init --recursive",
    ),
    Rule(
        "sparse",
        _ERROR,
        "tracked files are left out by a sparse checkout or the skip-worktree flag",
        "git sparse-checkout disable, or git update-index --no-skip-worktree and git checkout for single files",
    ),
    Rule(
        "skip-worktree",
        _ERROR,
        "flagged skip-worktree: git status hides how they differ from the commit",
        "git update-index --no-skip-worktree PATH, or --allow skip-worktree where it is meant",
    ),
    Rule("unmerged", _ERROR, "unmerged: conflict markers would enter the image", "finish the merge, see git status"),
    Rule(
        "unreadable",
        _ERROR,
        "cannot be read, neither for the tag nor by the builder",
        "make them readable for this user (chmod, chown), or move them out of the context",
    ),
    Rule(
        "assume-unchanged",
        _WARNING,
        "flagged assume-unchanged: git status hides changes; the tag follows the real bytes",
        "git update-index --no-assume-unchanged PATH",
    ),
    Rule(
        "eol-conversion",
        _WARNING,
        "line ends on disk differ from the commit's, so another machine may compute another tag",
        "set the files to -text or eol=lf in .gitattributes, set core.autocrlf=false, and check them out anew",
    ),
    Rule(
        "content-conversion",
        _WARNING,
        "git converted the bytes (ident, filter or encoding), so another machine may compute another tag",
        "take ident, filter or working-tree-encoding from these files in .gitattributes, or convert inside the build",
    ),
    Rule(
        "ignored-in-image",
        _WARNING,
        "ignored by git and sent to the build: no commit holds them, yet they count in the tag",
        _IGNORE,
    ),
    Rule(
        "untracked-in-image",
        _WARNING,
        "not tracked by git and sent to the build: no commit holds them, yet they count in the tag",
        f"git add what belongs to the image; {_IGNORE}",
    ),
    Rule(
        "secret-in-image",
        _WARNING,
        "named like secrets and sent to the build",
        "list them in .dockerignore and hand them over as build secrets (RUN --mount=type=secret)",
    ),
    Rule(
        "mode-differs",
        _WARNING,
        "permissions are not git's 0644 or 0755; the builder copies them as they are, the tag does not see it",
        "umask 022 before checking out; for now: chmod -R u=rwX,go=rX on the paths",
    ),
    Rule(
        "case-clash",
        _WARNING,
        "names differ only by case: on macOS and Windows one replaces the other",
        "rename one of each pair",
    ),
    Rule(
        "unicode-clash",
        _WARNING,
        "names differ only by Unicode normal form (NFC, NFD): they look alike, and macOS merges them",
        "rename one of each pair",
    ),
    Rule(
        "special-file",
        _WARNING,
        "FIFOs, sockets or devices: the builder sends a FIFO as such and a socket as an empty file",
        "remove them, or list them in .dockerignore",
    ),
    Rule(
        "git-directory",
        _NOTE,
        "lies in a context that does not ignore it: it counts in no tag, and pipeline-kit leaves it out of the build",
        "add .git to .dockerignore, so that a plain docker build leaves it out as well",
    ),
    Rule(
        "shallow-clone",
        _NOTE,
        "shallow clone: tags are the same, only reasons and explain --against may lack the commit to compare with",
        "fetch-depth: 0 or git fetch --unshallow, where reasons matter",
    ),
    Rule(
        "no-git",
        _NOTE,
        "no .git at or above the configuration: tags are the same, every file is read, reasons name no commits",
        "nothing, for source bundles; else check out with git",
    ),
)
RULES = {rule.name: rule for rule in (*_ALL, *SERVICE_RULES)}
"""Every rule by name, in the order in which findings are told."""
