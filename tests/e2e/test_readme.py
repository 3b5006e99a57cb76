"""What the README tells a newcomer to type is typed here."""

import re
import shlex
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def test_the_readmes_network_trains_and_is_pruned(project):
    code = re.search(r"```python\n(# nets/mine\.py\n.*?)```", README, re.DOTALL)
    command = re.search(r"espalier (run .*model\.method=user.*)", README)
    assert code
    assert command
    (project.root / "nets" / "mine.py").write_text(code[1])
    ended = project.espalier(*shlex.split(command[1]))
    assert "reduced + pruned" in ended.stdout
    assert '"builder":"nets.mine:build"' in "".join(
        (project.root / "models/compressed/spec.json").read_text().split()
    )
