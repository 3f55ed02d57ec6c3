"""What a run tells people and machines: the report, CI outputs, summaries, live progress (design D7).

Everything that comes from the checkout, the registry or a build is untrusted here: it passes through
:mod:`pipeline_kit.outputs.sanitize` before it reaches a terminal, a log or a page.
"""
