"""The long run: ``python -m soundness.run --changes 2000 --seed 1``, with tests/ and dev/ on the path."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from soundness.build import open_engine
from soundness.judge import Table, judge


def main() -> int:
    """Run, report, and return 1 where the tag lied."""
    parser = argparse.ArgumentParser(description="Try the content tag against what BuildKit really produces.")
    parser.add_argument("--changes", type=int, default=2000, help="how many random changes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed gives the same changes")
    parser.add_argument("--first", type=int, default=0, help="number of the first change")
    parser.add_argument("--keep", type=Path, help="write everything here, and keep it")
    parser.add_argument("--explain", action="store_true", help="tell each change whose tag differed needlessly")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return _run(options, options.keep)
    with tempfile.TemporaryDirectory(prefix="soundness-") as folder:
        return _run(options, Path(folder))


def _run(options: argparse.Namespace, folder: Path) -> int:
    say(f"seed {options.seed}, {options.changes} changes")
    engine = open_engine(folder)
    table = Table(options.seed)
    started = time.monotonic()
    numbers = range(options.first, options.first + options.changes)
    for verdict in judge(engine, options.seed, numbers, folder, keep=options.keep is not None):
        table.verdicts.append(verdict)
        if verdict.is_violation:
            say(f"\nVIOLATION (--seed {options.seed} --first {verdict.case.number} --changes 1)\n{verdict.told()}\n")
        elif options.explain and verdict.is_needless:
            say(f"\nneedless, {'ordinary' if verdict.case.before.ordinary else 'odd'}: {verdict.told()}\n")
        if len(table.verdicts) % 100 == 0:
            spent = time.monotonic() - started
            same, equal = table.precision(ordinary=True)
            done = f"{len(table.verdicts)} changes, {len(table.violations)} violations"
            say(f"{done}, precision of ordinary Dockerfiles {same}/{equal}, {spent:.0f} s")
    say(f"\n{table.told()}\nfailures of the engine's own, gone without its cache: {len(engine.cured)}")
    for failure in engine.cured:
        say(f"  {failure}")
    say(f"time: {time.monotonic() - started:.0f} s")
    return 1 if table.violations else 0


def say(text: str) -> None:
    """Write one piece of the report, at once."""
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
