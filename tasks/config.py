"""params.yaml as frozen, typed objects; `python -m tasks.config` prints the reference page of every key."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, MarkedYAMLError, YAMLError
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from tasks.artifacts import Layout, write_text
from tasks.contradictions import contradictions
from tasks.data.config import CleanConfig, SourceConfig
from tasks.drift.config import MonitorConfig
from tasks.errors import ConfigError, Problem
from tasks.evaluation.config import EvaluateConfig, MeasureConfig
from tasks.export.config import ExportConfig
from tasks.gate.config import PromoteConfig
from tasks.models.config import MlpConfig, ModelConfig
from tasks.pruning.config import StructuredConfig
from tasks.reduction.config import ReduceConfig
from tasks.schema import fields_at, parse_section, unknown_key
from tasks.search.config import PruneSection
from tasks.settings import Section
from tasks.study.config import StudyConfig
from tasks.training.config import ReferenceConfig, TrainConfig

__all__ = [
    "AFTER_STAGES",
    "Params",
    "RegistryConfig",
    "apply_overrides",
    "load_params",
    "overridden",
    "parse_params",
    "resolve",
]


class RegistryConfig(Section):
    """Where the compressed model is registered."""

    name: str = Field(default="espalier-mnist", description="registered model")
    register_model: bool = Field(default=True, alias="register", description="false: record the run only")

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.strip() or set(name) & set("/:"):
            raise ValueError("must be a name without / and :, which MLflow does not take")
        return name


AFTER_STAGES = frozenset({"registry", "promote", "monitor", "study"})
"""Sections that no stage reads: a result is the same whatever they say."""


class Params(Section):
    """Everything that can be tuned, one section a stage."""

    source: SourceConfig = Field(default_factory=SourceConfig, description="stage fetch")
    clean: CleanConfig = Field(default_factory=CleanConfig, description="stage clean")
    model: ModelConfig = Field(default_factory=MlpConfig, description="the network")
    train: TrainConfig = Field(default_factory=TrainConfig, description="stages reference and train")
    reference: ReferenceConfig = Field(default_factory=ReferenceConfig, description="stage reference")
    reduce: ReduceConfig = Field(default_factory=ReduceConfig, description="stage reduce")
    prune: PruneSection = Field(default_factory=StructuredConfig, description="stage prune")
    export: ExportConfig = Field(default_factory=ExportConfig, description="part of stage evaluate")
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig, description="stage evaluate")
    measure: MeasureConfig = Field(default_factory=MeasureConfig, description="stage measure")
    registry: RegistryConfig = Field(default_factory=RegistryConfig, description="after the stages")
    promote: PromoteConfig = Field(
        default_factory=PromoteConfig, description="`espalier promote`; no stage reads it"
    )
    monitor: MonitorConfig = Field(
        default_factory=MonitorConfig, description="`espalier monitor`; no stage reads it"
    )
    study: StudyConfig = Field(default_factory=StudyConfig, description="`espalier study`; no stage reads it")


def _read_yaml(text: str, yaml: YAML | None = None) -> Any:
    try:
        return (yaml or YAML(typ="safe")).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}" if mark else "params.yaml"
        raise ConfigError([Problem(where, None, f"not valid YAML: {error.problem}")]) from error
    except YAMLError as error:
        raise ConfigError([Problem("params.yaml", None, f"not valid YAML: {error}")]) from error


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.Representer = _Representer
    return yaml


class _Representer(RoundTripRepresenter):
    """One of its own: what is added to the library's changes how DVC writes dvc.lock."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def parse_params(raw: object) -> Params:
    """Validate a whole configuration.

    Raises
    ------
    ConfigError
        With every problem at once.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError([Problem("params.yaml", raw, "must be a mapping of sections")])
    names = list(Params.model_fields)
    problems = [unknown_key(str(key), None, names) for key in raw if key not in names]
    sections: dict[str, Any] = {}
    broken = set[str]()
    for name in names:
        if name in raw:
            section, wrong = parse_section(Params, name, raw[name])
            problems += wrong
            sections |= {} if wrong else {name: section}
            broken |= {name} if wrong else set()
    valid = Params(**sections)
    problems += contradictions(valid, broken)
    if problems:
        raise ConfigError(problems)
    return valid


def _assignments(overrides: Sequence[str]) -> list[tuple[list[str], Any]]:
    wrong = [text for text in overrides if "=" not in text or not text.partition("=")[0].strip()]
    if wrong:
        raise ConfigError([Problem(text, None, "must read key.path=value") for text in wrong], "--set")
    split = [text.partition("=") for text in overrides]
    return [(key.strip().split("."), _storable(_read_yaml(value, YAML()))) for key, _, value in split]


def _storable(value: Any) -> Any:
    """Put mappings in block form and quote colons, which not every YAML reader takes in flow form."""
    if isinstance(value, CommentedMap):
        value.fa.set_block_style()
        for key in value:
            value[key] = _storable(value[key])
    elif isinstance(value, CommentedSeq):
        value[:] = [_storable(item) for item in value]
    elif isinstance(value, str) and ":" in value:
        return DoubleQuotedScalarString(value)
    return value


def _assign(document: Any, keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(document.get(key), Mapping):
            document[key] = {}
        document = document[key]
    if keys[-1] not in document or document[keys[-1]] != value:
        document[keys[-1]] = value


def _drop_strangers(document: Any, keys: Sequence[str], kept: Sequence[Sequence[str]]) -> None:
    """After `keys` chose another method, drop the old method's options that the new one does not know."""
    fields = fields_at(Params, keys[:-1], document)
    siblings = document
    for key in keys[:-1]:
        siblings = siblings[key]
    for name in [name for name in siblings if fields and name not in fields]:
        if [*keys[:-1], name] not in kept:
            _remove(siblings, name)


def _remove(siblings: CommentedMap, name: str) -> None:
    """Remove a key; the blank line below it, which parts two sections, goes to the one that is last now."""
    holder, key = _innermost(siblings, name)
    comment = holder.ca.items.get(key)
    below = comment[2].value.partition("\n")[2] if comment and comment[2] else ""
    del siblings[name]
    if not below or not siblings:
        return
    holder, key = _innermost(siblings, list(siblings)[-1])
    comment = holder.ca.items.setdefault(key, [None, None, None, None])
    own = comment[2].value.partition("\n")[0] if comment[2] else ""
    comment[2] = CommentToken(f"{own}\n{below}", comment[2].start_mark if comment[2] else CommentMark(0))


def _innermost(mapping: CommentedMap, key: str) -> tuple[CommentedMap, str]:
    """Return where the text below `key` is kept: at the last key of the mapping it holds, if it holds one."""
    value = mapping[key]
    if isinstance(value, CommentedMap) and value and not value.fa.flow_style():
        return _innermost(value, list(value)[-1])
    return mapping, key


def overridden(text: str, overrides: Sequence[str]) -> tuple[str, Params]:
    """Return a params.yaml with `key.path=value` overrides in place, comments kept, and its typed form.

    Raises
    ------
    ConfigError
        With every problem at once.
    """
    text = _with_overrides(text, overrides)
    return text, parse_params(_read_yaml(text))


def _with_overrides(text: str, overrides: Sequence[str]) -> str:
    if not overrides:
        return text
    document = _read_yaml(text, _round_trip())
    if not isinstance(document, Mapping):
        return text
    assignments = _assignments(overrides)
    for keys, value in assignments:
        _assign(document, keys, value)
    kept = [keys for keys, _ in assignments]
    for keys in kept:
        if keys[-1] == "method":
            _drop_strangers(document, keys, kept)
    stream = StringIO()
    _round_trip().dump(document, stream)
    return stream.getvalue()


def _text(root: Path) -> str:
    path = Layout(root).params
    if not path.exists():
        raise ConfigError(
            [
                Problem(
                    str(path), None, "no such file", "start in a workspace, or make one: `espalier init DIR`"
                )
            ]
        )
    return path.read_text(encoding="utf-8")


def resolve(root: Path, overrides: Sequence[str] = ()) -> tuple[str, Params]:
    """Return what `root`/params.yaml would read after `key.path=value` overrides, and its typed form.

    Raises
    ------
    ConfigError
        With every problem at once.
    """
    return overridden(_text(root), overrides)


def load_params(root: Path, overrides: Sequence[str] = ()) -> Params:
    """Read and validate `root`/params.yaml with `key.path=value` overrides; nothing is written.

    Raises
    ------
    ConfigError
        With every problem at once.
    """
    return resolve(root, overrides)[1]


def apply_overrides(root: Path, overrides: Sequence[str]) -> Params:
    """Validate, then write the overrides into `root`/params.yaml, comments kept.

    Raises
    ------
    ConfigError
        With every problem at once; the file is then untouched.
    """
    text, params = resolve(root, overrides)
    if text != _text(root):
        write_text(Layout(root).params, text)
    return params


def main() -> None:
    """Print docs/configuration.md."""
    from tasks.reference_page import reference_page

    sys.stdout.write(reference_page(Params))


if __name__ == "__main__":
    main()
