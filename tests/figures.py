"""Put chosen screenshots of the browser tests, made small, beside the documentation pages that show them.

Run by `make screenshots` as `python -m tests.figures`, after the browser tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from tests.browser import SHOTS

HOW_TO = Path(__file__).resolve().parent.parent / "docs" / "how-to"
CHOSEN = {
    "compare-runs": {"table": 620, "front": 1120, "compare": 640},
    "promote": {"registry": 785, "promotion": 900, "gate": 700},
}
"""Pictures of each page, and the height in pixels that they are cut off at."""

LEFT = 200  # of the menu
WIDTH = 1000
COLORS = 200


def shrink(folder: Path, name: str, height: int) -> Path:
    """Cut the menu off one picture, bring it to a page's width and to few colours."""
    picture = Image.open(SHOTS / f"{name}.png").convert("RGB")
    cut = picture.crop((LEFT, 0, picture.width, min(height, picture.height)))
    small = cut.resize((WIDTH, round(cut.height * WIDTH / cut.width)), Image.Resampling.LANCZOS)
    path = folder / f"{name}.png"
    small.quantize(COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def main() -> None:
    """Write every chosen figure."""
    for page, chosen in CHOSEN.items():
        folder = HOW_TO / page
        folder.mkdir(parents=True, exist_ok=True)
        for name, height in chosen.items():
            path = shrink(folder, name, height)
            sys.stdout.write(f"{page}/{path.name} {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
