"""Run and study examples, and write what the studies found into their READMEs.

``python -m examples adult text`` does two of them, ``--tables`` writes the tables of studies that are there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.table import study_table
from tasks.files import write_text

HERE = Path(__file__).resolve().parent
RIVALS = ("reduction alone", "pruning alone")
BEGIN, END = "<!-- study:begin -->", "<!-- study:end -->"


def names() -> list[str]:
    """Return the examples: folders with a params.yaml."""
    return sorted(path.parent.name for path in HERE.glob("*/params.yaml"))


def espalier(*words: str) -> None:
    """Run the command, as a user would in the root of the project.

    Raises
    ------
    subprocess.CalledProcessError
        When it fails; it has said why.
    """
    start = [sys.executable, "-c", "from flows.cli import main; main()"]
    subprocess.run([*start, *words], cwd=HERE.parent, check=True)


def with_table(page: str, table: str) -> str:
    """Return a README with the table between its markers.

    Raises
    ------
    ValueError
        Without markers.
    """
    if BEGIN not in page or END not in page:
        raise ValueError(f"a README needs {BEGIN} and {END}")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{table}\n{END}", page, flags=re.DOTALL)


def tabulate(name: str) -> None:
    """Write the table of an example's last study into its README."""
    page = HERE / name / "README.md"
    write_text(page, with_table(page.read_text("utf-8"), study_table(HERE / name)))


def overview(pages: Mapping[str, str]) -> str:
    """Gather, from READMEs by the names of their examples, how far the front of both is ahead.

    Examples that were not studied are left out.
    """
    lines = ["| example | lead of both over reduction alone | over pruning alone |", "|---|---|---|"]
    for name, page in pages.items():
        rows = [re.search(rf"^\| {other} \|.*$", page, re.MULTILINE) for other in RIVALS]
        cells = [[cell.strip() for cell in row.group().split("|")[4:6]] for row in rows if row]
        if len(cells) == len(RIVALS):
            unit = re.search(r"lead of both, (.+?) \|", page)
            called = f"[{name}]({name}/README.md), {unit.group(1) if unit else ''}"
            lines.append(f"| {called} | {' | '.join(f'{lead}: {said}' for lead, said in cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what was asked for, one example after the other."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all without one")
    parser.add_argument("--tables", action="store_true", help="write the tables of studies that are there")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(names()):
        parser.error(f"no example {sorted(unknown)[0]!r}; there are {', '.join(names())}")
    for name in asked.names or names():
        if not asked.tables:
            espalier("run", "-C", f"examples/{name}")
            espalier("study", "-C", f"examples/{name}")
        tabulate(name)
    index = HERE / "README.md"
    pages = {name: (HERE / name / "README.md").read_text("utf-8") for name in names()}
    write_text(index, with_table(index.read_text("utf-8"), overview(pages)))


if __name__ == "__main__":
    main()
