"""Git: the work tree, commits and history, read through plumbing commands that can run nothing of the repository's."""
