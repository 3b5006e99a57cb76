"""Writing one result to MLflow: its run, the nested runs, their figures and files, the experiment's views."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Layout, load_raw_meta
from tasks.evaluation.reports import MODELS, REPORTS
from tasks.tracking.datasets import dataset_inputs
from tasks.tracking.entries import NOTE, log_figures, origin_tags, set_own_tags
from tasks.tracking.facts import Facts, headline_key
from tasks.tracking.identity import code_version, output_hash, result_hashes
from tasks.tracking.model import log_model
from tasks.tracking.note import result_note, summary_line
from tasks.tracking.views import view_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric

    from tasks.outcome import StageOutcome

__all__ = ["Writer"]

DESCRIBED = ("data/raw.parquet", "models/export/compressed/model.onnx")
COLORS = {"reference": "#9e9e9e", "reduced": "#616161", "compressed": "#2e7d32", "result": "#1b5e20"}
NEWEST = (
    "**Newest result** ({recipe}): {line}.\n\n"
    "The saved view *Results* ranks all by `{key}`; *Size and speed* draws every model."
)


@dataclass(frozen=True)
class Writer:
    """Writes one result of the workspace `root` into an experiment."""

    client: MlflowClient
    root: Path
    experiment: str
    facts: Facts
    lock: Mapping[str, str]

    def write(self, mark: str, outcomes: Sequence[StageOutcome], flow_run_id: str | None) -> str:
        """Write everything and return the result's run; the caller marks it finished."""
        from mlflow.entities import LoggedModelOutput

        layout = Layout(self.root)
        data = self._data(layout)
        common = self._common_tags(outcomes, flow_run_id)
        own = common | {"espalier.identity": mark, NOTE: self._note()}
        parent = self._run(self.facts.recipe, "result", own | self._lock_tags())
        runs = {name: self._nested_run(parent, name, common) for name in MODELS}
        model = self._model(layout, runs["compressed"])
        for name, run in runs.items():
            self._fill(run, name, data, model if name == "compressed" else None)
        self._fill(parent, "compressed", data, None)
        self.client.log_outputs(parent, models=[LoggedModelOutput(model, step=0)])
        self._files(layout, parent)
        self._views()
        for run in runs.values():
            self.client.set_terminated(run)
        self.client.set_tag(parent, "espalier.model_id", model)
        self.client.set_terminated(parent)
        return parent

    def _run(self, name: str, model: str, tags: Mapping[str, str]) -> str:
        own = {
            "mlflow.runColor": COLORS[model],
            "espalier.model": model,
            "espalier.headline": headline_key(self.facts.headline),
            "espalier.verdict": self.facts.verdict("compressed" if model == "result" else model),
        }
        run = self.client.create_run(self.experiment, tags={**tags, **own}, run_name=name)
        return str(run.info.run_id)

    def _nested_run(self, parent: str, model: str, tags: Mapping[str, str]) -> str:
        return self._run(self.facts.label(model), model, {**tags, "mlflow.parentRunId": parent})

    def _common_tags(self, outcomes: Sequence[StageOutcome], flow_run_id: str | None) -> dict[str, str]:
        stages = ", ".join(f"{outcome.name} {outcome.status}" for outcome in outcomes)
        tags = origin_tags(self.root, "espalier run", flow_run_id)
        return tags | ({"espalier.stages": stages} if stages else {})

    def _data(self, layout: Layout) -> dict[str, DatasetInput]:
        uri, rows = self.facts.params.source.uri, self.facts.clean["rows"]
        return dataset_inputs(uri, rows, load_raw_meta(layout.raw_meta), self.lock)

    def _lock_tags(self) -> dict[str, str]:
        """Return DVC's hashes of data and models; dvc.lock, an artifact of the run, has the others."""
        hashes = result_hashes(self.lock).items()
        return {f"dvc.{path}": value for path, value in hashes if path.startswith(("data/", "models/"))}

    def _note(self) -> str:
        return result_note(self.facts, self._versions())

    def _versions(self) -> dict[str, str]:
        code = code_version(self.root)
        found = {"git": code.commit + " with local changes" * code.dirty} if code.commit else {}
        hashes = {path: output_hash(self.lock, path) for path in DESCRIBED}
        return found | {f"DVC {path}": value for path, value in hashes.items() if value}

    def _model(self, layout: Layout, run: str) -> str:
        return log_model(
            self.client,
            layout,
            experiment=self.experiment,
            run=run,
            name=_model_name(self.facts),
            facts={"recipe": self.facts.recipe, "verdict": self.facts.verdict("compressed")},
        )

    def _fill(self, run: str, name: str, data: Mapping[str, DatasetInput], model: str | None) -> None:
        """Log parameters, metrics, history, data sets and the per-class table of a model."""
        from mlflow.entities import Param

        params = [Param(key, value) for key, value in self.facts.parameters(name).items()]
        log_figures(self.client, run, list(self._metrics(name, data.get("test"), model)), params)
        self.client.log_inputs(run, datasets=list(data.values()))
        table = self.facts.evaluate["models"][name].get("per_class")
        if table:
            columns = {key: [row[key] for row in table] for key in table[0]}
            self.client.log_table(run, columns, "per_class.json")

    def _metrics(self, name: str, test: DatasetInput | None, model: str | None) -> Iterator[Metric]:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        data = {"dataset_name": test.dataset.name, "dataset_digest": test.dataset.digest} if test else {}
        for key, value in self.facts.metrics(name).items():
            linked: dict[str, Any] = data if key.startswith(("test/", "difference/")) else {}
            yield Metric(key, value, now, 0, model_id=model, **linked)
        for epoch, values in enumerate(self.facts.history(name), 1):
            for key, value in values.items():
                yield Metric(key, value, now, epoch)

    def _files(self, layout: Layout, run: str) -> None:
        files = {
            layout.html: None,
            layout.params: None,
            self.root / "dvc.lock": None,
            **{layout.report(name): "reports" for name in REPORTS},
        }
        for path, folder in files.items():
            if path.exists():
                self.client.log_artifact(run, str(path), folder)
        plots = layout.plot("reference").parent
        if plots.is_dir():
            self.client.log_artifacts(run, str(plots), "plots")

    def _views(self) -> None:
        """Bring the experiment's saved views and its note up to this result; what a user changed stays."""
        ascending = not self.facts.evaluate["higher_is_better"]
        line, key = summary_line(self.facts), headline_key(self.facts.headline)
        note = NEWEST.format(recipe=self.facts.recipe, line=line, key=key)
        tags = view_tags(self.facts.headline, ascending=ascending) | {NOTE: note}
        set_own_tags(self.client, self.experiment, tags)


def _model_name(facts: Facts) -> str:
    """Return the recipe in the characters a LoggedModel's name may hold."""
    removed = f"-{100 * facts.amount:g}off" if facts.amount else ""
    return f"{facts.params.model.method}-{facts.columns[1]}col{removed}".replace(".", "_")
