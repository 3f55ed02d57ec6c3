"""A first pipeline-kit.yaml from what a repository holds (``pipeline-kit init``, design D2). Pure.

The caller finds and reads files, examines Dockerfiles, and asks whether a text is a configuration that loads. What
comes back is that text, with what was chosen and what was left out, each with its reason.
"""
