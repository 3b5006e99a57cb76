"""Check the documentation: every relative link leads somewhere, every `make` and `espalier` command exists.

Run by `make check` as `python -m tests.check_docs`; prints one line per fault and exits 1 when there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
COMMAND = re.compile(r"(?:^|[\s`$])(make|espalier) ([a-z][a-z-]*)", re.MULTILINE)
CODE = re.compile(r"```(?:bash|sh|console)\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def pages() -> list[Path]:
    """All Markdown pages under version control, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def heading_anchors(page: Path) -> set[str]:
    """The anchors a renderer gives a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def dead_links(page: Path) -> list[str]:
    """Relative links of one page whose file or heading does not exist."""
    faults = []
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve()
        if not path.exists():
            faults.append(f"{page.relative_to(ROOT)}: link to {target} leads nowhere")
        elif anchor and path.suffix == ".md" and anchor[1:] not in heading_anchors(path):
            faults.append(f"{page.relative_to(ROOT)}: {target} has no heading {anchor}")
    return faults


def make_targets() -> set[str]:
    """Targets the Makefile defines."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def cli_commands() -> set[str]:
    """Commands that `espalier` answers to."""
    import typer

    from flows.cli import app

    group = typer.main.get_command(app)
    return set(getattr(group, "commands", {}))


def unknown_commands(page: Path, known: dict[str, set[str]]) -> list[str]:
    """Commands shown in a page's code that do not exist."""
    code = "\n".join(block or span for block, span in CODE.findall(page.read_text("utf-8")))
    return [
        f"{page.relative_to(ROOT)}: `{program} {word}` is not a command"
        for program, word in COMMAND.findall(code)
        if word not in known[program]
    ]


def main() -> int:
    """Check every page; the exit code says whether all is well."""
    known = {"make": make_targets(), "espalier": cli_commands()}
    faults = [fault for page in pages() for fault in dead_links(page) + unknown_commands(page, known)]
    for fault in faults:
        sys.stdout.write(fault + "\n")
    sys.stdout.write(f"{len(pages())} pages checked, {len(faults)} fault(s)\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
