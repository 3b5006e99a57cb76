"""Every way of removing, on one set: `python -m benchmarks.removals` writes docs/removals.md.

A seed draws split, initial weights and batches. Each network is pruned by each recipe and recovers by the
same loop; the metric is accuracy on validation rows, and on test rows beside it: nothing is chosen here.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from benchmarks.page import table
from benchmarks.problems import SETS, Dense, Problem, dense
from tasks.models.config import Cnn1dConfig, MlpConfig, ResMlpConfig
from tasks.pruning.config import FinetuneConfig, StepConfig, UnstructuredConfig
from tasks.pruning.recipe import prune
from tasks.training.config import TrainConfig
from tasks.training.fit import fit
from tasks.training.scoring import predict_logits, score

PAGE = Path(__file__).parent.parent / "docs" / "removals.md"
EARLY = 5
_STEP: TypeAdapter[StepConfig] = TypeAdapter(StepConfig)


@dataclass(frozen=True)
class Part:
    """Recipes tried on one network.

    Attributes
    ----------
    title : str
    problem : Problem
    recipes : dict
        A section `prune` by its name in the table.
    """

    title: str
    problem: Problem
    recipes: dict[str, dict[str, Any]]


def _units(amount: float | dict[str, float], **more: Any) -> dict[str, Any]:
    return {"method": "structured", "amount": amount, **more}


def _weights(amount: float, **more: Any) -> dict[str, Any]:
    return {"method": "unstructured", "amount": amount, **more}


CRITERIA = ("magnitude", "taylor", "hessian", "lamp", "activation", "random")


def parts() -> Iterator[Part]:
    """What is tried; shares are such that something is lost."""
    mlp = replace(SETS["digits"], model=MlpConfig(hidden=(300, 100)))
    units = {f"{name}": _units(0.95, importance=name) for name in (*CRITERIA, "decomposition")}
    units["magnitude, l1"] = _units(0.95, norm="l1")
    units |= {f"magnitude, scope {scope}": _units(0.95, scope=scope) for scope in ("global", "sensitivity")}
    units["magnitude, per layer (0.93, 0.97)"] = _units({"body.0": 0.93, "body.2": 0.97}, scope="per_layer")
    units["magnitude, 3 rounds"] = _units(0.95, rounds=3)
    yield Part("digits, 300-100: 95 % of the units", mlp, units)
    weights = {f"{name}, at once": _weights(0.95, importance=name, scope="global") for name in CRITERIA}
    weights |= {
        f"magnitude, gradual, {shape}": _weights(0.95, scope="global", schedule="gradual", shape=shape)
        for shape in ("cubic", "linear", "exponential")
    }
    weights |= {
        "magnitude, local": _weights(0.97),
        "magnitude, gradual from scratch": _weights(
            0.95, scope="global", schedule="gradual", start="scratch"
        ),
        "magnitude, 5 rounds": _weights(0.95, scope="global", schedule="iterative", rounds=5),
        "5 rounds, rewound to the initial weights": _weights(
            0.95, scope="global", schedule="iterative", rounds=5, rewind="init"
        ),
        f"5 rounds, rewound to epoch {EARLY}": _weights(
            0.95, scope="global", schedule="iterative", rounds=5, rewind=EARLY
        ),
    }
    yield Part("digits, 300-100: 95 % of the weights", mlp, weights)
    residual: Any = ResMlpConfig(inner=(64,) * 6)  # never halved, as the models of the other problems are
    deep = replace(SETS["digits"], model=residual)
    blocks = {
        name: {"method": "blocks", "amount": 0.67, "importance": name}
        for name in ("bypass", "magnitude", "taylor", "hessian", "activation", "random")
    }
    yield Part("digits, six residual blocks: four of them", deep, blocks)
    cnn = replace(SETS["MNIST-1D, cnn"], model=Cnn1dConfig(channels=(32, 64), hidden=(32,)))
    normed = {
        name: _units(0.75, importance=name)
        for name in ("magnitude", "batch_norm", "taylor", "decomposition", "random")
    }
    normed["magnitude, batch norms estimated anew"] = _units(
        0.75, finetune={"recalibrate": True, "mixup": 0.0}
    )
    yield Part("MNIST-1D, cnn 32-64: 75 % of the units", cnn, normed)


@dataclass(frozen=True)
class Outcome:
    """Accuracies in percent."""

    valid: float
    test: float


class Pruner:
    """One dense network, pruned in several ways.

    Parameters
    ----------
    given : Dense
    epochs : int
        Of recovery, in all rounds together.
    """

    def __init__(self, given: Dense, epochs: int) -> None:
        self.given, self.epochs = given, epochs
        self.train, self.valid, self.test = given.splits
        self.network = given.graph.network
        self.teacher = predict_logits(self.network, self.train.X)

    def before(self) -> Outcome:
        """How the dense network does."""
        return self._outcome(self.network)

    def after(self, section: dict[str, Any], *, recover: bool) -> Outcome:
        """How the pruned one does, recovered or as it is at once."""
        config = self._config(section, recover=recover)
        pruned = prune(
            copy.deepcopy(self.network),
            config,
            self.train,
            self.valid,
            TrainConfig(seed=self.given.seed),
            task="classification",
            outputs=self.given.cleaned.cleaner.target.outputs,
            seed=self.given.seed,
            teacher=self.teacher,
            initial=self._initial(config),
        )
        return self._outcome(pruned.network)

    def _config(self, section: dict[str, Any], *, recover: bool) -> StepConfig:
        rounds = int(section.get("rounds", 1))
        epochs = self.epochs // rounds if recover else 0
        known = {"mixup": 0.0, **section.get("finetune", {}), "epochs": epochs}
        return _STEP.validate_python({**section, "finetune": FinetuneConfig(**known)})

    def _initial(self, config: StepConfig) -> nn.Module | None:
        """The network that a rewinding or a start from scratch goes back to."""
        rewind = config.rewind if isinstance(config, UnstructuredConfig) else "none"
        fresh = self.given.untrained(self.given.problem.model)
        if not isinstance(rewind, int):
            return fresh
        return fit(
            fresh,
            self.train,
            self.valid,
            TrainConfig(seed=self.given.seed),
            task="classification",
            outputs=self.given.cleaned.cleaner.target.outputs,
            seed=self.given.seed,
            epochs=rewind,
        ).network

    def _outcome(self, network: nn.Module) -> Outcome:
        return Outcome(*(100 * score(network, rows, "classification") for rows in (self.valid, self.test)))


def prunes_while_training(section: dict[str, Any]) -> bool:
    """Whether a recipe removes in several steps with training between them: it has no figure at once."""
    return section.get("schedule") in ("gradual", "iterative") or section.get("rounds", 1) > 1


def measured(part: Part, seeds: Sequence[int], epochs: int) -> list[list[str]]:
    """Rows of a part's table: accuracies on validation rows at once and recovered, and on test rows."""
    pruners = [Pruner(dense(part.problem, seed), epochs) for seed in seeds]
    whole = [pruner.before() for pruner in pruners]
    rows = [["dense", "", _told([each.valid for each in whole]), _told([each.test for each in whole])]]
    for name, section in part.recipes.items():
        found = [pruner.after(section, recover=True) for pruner in pruners]
        at_once = (
            ""
            if prunes_while_training(section)
            else _told([p.after(section, recover=False).valid for p in pruners])
        )
        rows.append(
            [name, at_once, _told([each.valid for each in found]), _told([each.test for each in found])]
        )
        print(part.title, *rows[-1], sep="  ", flush=True)
    return rows


def _told(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.1f} ± {error:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every part, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of recovery, all rounds together")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    head = ["recipe", "validation, no recovery", "validation, recovered", "test, recovered"]
    text = "\n\n".join(
        f"## {part.title}\n\n{table(head, measured(part, range(options.seeds), options.epochs))}"
        for part in parts()
    )
    options.page.write_text(
        "# Every way of removing, measured\n\n"
        f"Written by `python -m benchmarks.removals --seeds {options.seeds} --epochs {options.epochs}`; "
        "nothing here is typed in. Accuracy in percent, mean and standard error over seeds, which draw "
        f"split, initial weights and batches. Every recipe has {options.epochs} epochs of recovery in all, "
        "distilled from the dense network, on rows as they are (no mixtures). What prunes while it trains "
        f"has no figure without recovery. Equations and sources: [methods](methods.md).\n\n{text}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
