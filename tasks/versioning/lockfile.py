"""Stages read from dvc.yaml with dvc.lock, and recorded there: the bytes DVC writes, in a tenth of the time.

Each stage lists the modules it imports, so dvc.lock runs to thousands of lines. DVC parses both files anew
for every stage it loads, and edits dvc.lock with a parser that keeps comments: about a second a stage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from dvc.dvcfile import ProjectFile
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml, loads_yaml

from tasks.files import write_text

__all__ = ["load_stage", "parsed", "read_lock", "run_text", "save_stage", "spliced"]

_AT_ONCE = 8
_ONE_LINE = 60
"""Characters of a value that fits beside its key on any line; YAML's writer breaks lines of more than 80."""

_WORDS_OF_YAML = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_HASH = re.compile(r"(?=.*[acdf])[0-9a-f]{32}(?:\.dir)?")
_parsed: dict[str, Any] = {}


def load_stage(repo: Repo, name: str, lock: str | None = None) -> PipelineStage:
    """Load stage `name` of the repository's own dvc.yaml, as `repo.stage.load_one` does.

    Parameters
    ----------
    repo : Repo
    name : str
    lock : str, optional
        Text of another dvc.lock to take the stage's records from.
    """
    file = ProjectFile(repo, str(Path(repo.root_dir, "dvc.yaml")))
    own = vars(file)  # where DVC keeps what it has parsed
    own["contents"] = _once(Path(repo.root_dir, "dvc.yaml"), lambda: file.contents)
    if lock is None:
        own["lockfile_contents"] = _once(Path(repo.root_dir, "dvc.lock"), lambda: file.lockfile_contents)
    else:
        own["lockfile_contents"] = parsed(lock)
    stage: PipelineStage = file.stages[name]
    return stage


def save_stage(stage: PipelineStage) -> None:
    """Write the stage's entry into dvc.lock, as `stage.dump(update_pipeline=False)` does."""
    path = Path(stage.repo.root_dir, "dvc.lock")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if "#" in text:  # perhaps a comment, which only DVC's own way keeps
        stage.dump(update_pipeline=False)
        return
    entry = to_lockfile(stage)
    after = spliced(text, entry)
    if text in _parsed:
        held = _parsed.pop(text)
        _parsed[after] = {**held, "stages": {**held["stages"], **entry}}
    write_text(path, after)
    stage.repo.scm_context.track_file("dvc.lock")


def spliced(text: str, entry: Mapping[str, Any]) -> str:
    """Return the text of a dvc.lock with the one stage of `entry` replaced, or added at the end."""
    ((name, run),) = entry.items()
    top, block = run_text(run, "stages", name).split("\n", 1)
    if not text:
        return f"{dumps_yaml({'schema': '2.0'})}{top}\n{block}"
    key = re.escape(block.split("\n", 1)[0])
    found = re.search(rf"(?m)^{key}\n(?:   .*\n|\n)*", text)
    return text[: found.start()] + block + text[found.end() :] if found else text + block


def run_text(run: Mapping[str, Any], *under: str) -> str:
    """Return what DVC writes of a stage's run under the keys `under`; lists of files without its writer."""
    lists = {key: found for key, value in run.items() if (found := _listed(value, "  " * len(under)))}
    held: Mapping[str, Any] = {key: [] if key in lists else value for key, value in run.items()}
    for key in reversed(under):
        held = {key: held}
    text = f"\n{dumps_yaml(held)}"
    for key, lines in lists.items():
        heading = f"\n{'  ' * len(under)}{key}:"
        text = text.replace(f"{heading} []\n", f"{heading}\n{lines}", 1)
    return text[1:]


def _listed(items: Any, margin: str) -> str:
    """Return the lines of a list of files whose every value YAML writes as it is; of any other, nothing."""
    if not isinstance(items, list) or not all(isinstance(item, Mapping) and item for item in items):
        return ""
    pairs = [pair for item in items for pair in item.items()]
    if not all(_bare(key) and (type(value) is int or _bare(value)) for key, value in pairs):
        return ""
    return "".join(
        f"{margin}{'  ' if place else '- '}{key}: {value}\n"
        for item in items
        for place, (key, value) in enumerate(item.items())
    )


def _bare(value: Any) -> bool:
    """Say whether a value is text that needs no quotes and no line of its own: a plain name, or a hash."""
    return (
        isinstance(value, str)
        and len(value) <= _ONE_LINE
        and value.lower() not in _WORDS_OF_YAML
        and bool(_NAME.fullmatch(value) or _HASH.fullmatch(value))
    )


def read_lock(root: Path) -> dict[str, Any]:
    """Return what the workspace's dvc.lock holds, from memory where it was parsed or written before."""
    path = root / "dvc.lock"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found: dict[str, Any] = _parsed[text] if text in _parsed else loads_yaml(text) or {}
    return deepcopy(found)


def parsed(text: str) -> dict[str, Any]:
    """Return what the text of a dvc.lock holds, from memory where it was parsed before."""
    if not text:  # no file yet; what is remembered has stages
        return {}
    if text not in _parsed:
        _parsed[text] = loads_yaml(text) or {}
    return deepcopy(_parsed[text])


def _once(path: Path, parse: Callable[[], Any]) -> Any:
    """Return what DVC makes of a file, from memory where the same text has been parsed and found valid."""
    if not path.exists():
        return parse()
    text = path.read_text(encoding="utf-8")
    if text not in _parsed:
        if len(_parsed) >= _AT_ONCE:
            _parsed.clear()
        _parsed[text] = parse()
    return deepcopy(_parsed[text])
