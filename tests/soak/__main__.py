"""Kill `espalier` again and again and look what is left: `python -m tests.soak --kills 200`.

Commands that compress, promote, roll back and score run in a small workspace of handwritten digits and are
killed (SIGKILL) at moments drawn by a seed: half of them at a moment of the command's time, half at a line
of the code that records, moves aliases, versions and scores. Each is then run again, as a person would, and
the workspace is looked at: see `invariants`. Exit code 1 where anything does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from flows.embedded import EmbeddedServer
from flows.environment import enter
from tests.soak.commands import Commands, import_all
from tests.soak.life import Life


def prepared(root: Path) -> None:
    """Make a workspace: a copy of this project in a Git repository of its own."""
    from tests.e2e.conftest import copied_source

    copied_source(root)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def soaked(root: Path, kills: int, seed: int, minutes: float) -> dict[str, object]:
    """Kill until it is enough; return what was found."""
    life = Life(Commands(root), root, seed)
    until = time.monotonic() + 60 * minutes
    life.begin()
    while sum(life.kills.values()) < kills and time.monotonic() < until and not life.wrong:
        life.round()
        done = f"{sum(life.kills.values())} kills, {life.told.results} versions"
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {done}: {life.last}\n")
        sys.stdout.flush()
    return {
        "seed": seed,
        "kills": sum(life.kills.values()),
        "of": dict(Counter({f"{op} by {how}": n for (op, how), n in sorted(life.kills.items())})),
        "missed": life.missed,
        "results": life.told.results,
        "entries": len(life.told.entries),
        "batches": len(life.told.batches),
        "wrong": life.wrong,
    }


def main() -> None:
    """Soak, and print a line of JSON at the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="at least: a round may kill more than once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=240, help="stop after so many, with what there is")
    parser.add_argument(
        "--workspace", type=Path, help="a workspace that may be used up; by default a new one"
    )
    parser.add_argument(
        "--json", type=Path, help="write what was found here too: docs/life-speed.md reads it"
    )
    options = parser.parse_args()
    report = options.json and options.json.resolve()
    with tempfile.TemporaryDirectory(prefix="espalier-soak-") as folder:
        root = (options.workspace or Path(folder, "digits")).resolve()
        if options.workspace is None:
            prepared(root)
        enter(root)
        if "PREFECT_API_URL" not in os.environ:
            server = EmbeddedServer(root / ".espalier" / "prefect")
            os.environ["PREFECT_API_URL"] = server.api_url
            server.__enter__()
            import_all()
            server.wait()
        else:
            import_all()
        found = soaked(root, options.kills, options.seed, options.minutes)
        sys.stdout.write(json.dumps(found) + "\n")
        if report:
            report.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        sys.stdout.flush()
        os.chdir("/")
    raise SystemExit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
