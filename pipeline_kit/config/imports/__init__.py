"""``imports:``: images that compose.yaml and bake files describe, as if they stood under ``images:`` (design D3).

An imported file becomes nodes of the same kind as the configuration's own, each with its place in that file. They are
laid under what ``images:`` says, and read by the same code. Nothing here is loaded for a configuration without imports.
"""
