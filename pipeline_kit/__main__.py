"""``python -m pipeline_kit``."""

from __future__ import annotations

from pipeline_kit.cli.entry import run

if __name__ == "__main__":
    run()
