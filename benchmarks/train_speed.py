"""How fast the training loop is: `python -m benchmarks.train_speed` prints seconds and ratios on digits.

Rivals on the same network, rows, batch and epochs, AdamW (scikit-learn: Adam), one thread: a loop over
DataLoader(TensorDataset), scikit-learn's MLPClassifier, and skorch (extra `bench`). None scores validation
rows. Runs take turns, each round from another seed; ratios are paired by round.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tasks.models.mlp import Mlp
from tasks.models.zoo import seeded
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import fit

NETWORKS = {"300-100": (300, 100), "30-10": (30, 10)}
TARGETS = {"300-100": 1.7, "30-10": 2.0}
BATCH, LR, CLASSES = 128, 3e-3, 10
Loop = Callable[[tuple[int, ...], Tensors, int, int], object]


def _network(hidden: tuple[int, ...], rows: Tensors, seed: int) -> nn.Module:
    with seeded(seed):
        return Mlp((rows.X.shape[1],), hidden, CLASSES)


def ours(hidden: tuple[int, ...], rows: Tensors, epochs: int, seed: int) -> object:
    """Train with `tasks.training.fit`."""
    config = TrainConfig(epochs=epochs, batch=BATCH, lr=LR, schedule="constant", device="cpu")
    network = _network(hidden, rows, seed)
    return fit(network, rows, None, config, task="classification", outputs=CLASSES, seed=seed)


def data_loader(hidden: tuple[int, ...], rows: Tensors, epochs: int, seed: int) -> object:
    """Train with the loop that PyTorch's tutorials show."""
    network = _network(hidden, rows, seed)
    loader = DataLoader(TensorDataset(rows.X, rows.y), batch_size=BATCH, shuffle=True)
    optimiser, loss_of = torch.optim.AdamW(network.parameters(), lr=LR), nn.CrossEntropyLoss()
    for _ in range(epochs):
        for X, y in loader:
            optimiser.zero_grad()
            loss_of(network(X), y).backward()
            optimiser.step()
    return network


def scikit_learn(hidden: tuple[int, ...], rows: Tensors, epochs: int, seed: int) -> object:
    """Train MLPClassifier for as many epochs."""
    model = MLPClassifier(
        hidden, batch_size=BATCH, learning_rate_init=LR, max_iter=epochs, n_iter_no_change=epochs + 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it has not converged
        return model.set_params(random_state=seed).fit(rows.X.numpy(), rows.y.numpy())


def skorch(hidden: tuple[int, ...], rows: Tensors, epochs: int, seed: int) -> object:
    """Train skorch's NeuralNetClassifier, quietly and without a validation split."""
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        _network(hidden, rows, seed),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=LR,
        batch_size=BATCH,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return net.fit(rows.X.numpy(), rows.y.numpy())


def loops() -> dict[str, Loop]:
    """Every loop that can run here, ours first."""
    found: dict[str, Loop] = {"ours": ours, "DataLoader": data_loader, "scikit-learn": scikit_learn}
    return found | ({"skorch": skorch} if find_spec("skorch") else {})


def measure(hidden: tuple[int, ...], rows: Tensors, epochs: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each loop in each round; a round first goes to warm up and is not kept."""
    taken: dict[str, list[float]] = {name: [] for name in loops()}
    for turn in range(rounds + 1):
        for name, loop in loops().items():
            started = time.perf_counter()
            loop(hidden, rows, epochs, turn)
            if turn:
                taken[name].append(time.perf_counter() - started)
    return taken


def lines(name: str, taken: Mapping[str, list[float]]) -> list[str]:
    """One line of Markdown for each loop: seconds, and how many times longer than ours, median and range."""
    made = []
    for loop, seconds in taken.items():
        ratios = [other / own for other, own in zip(seconds, taken["ours"], strict=True)]
        middle = statistics.median(ratios)
        target = f"{TARGETS[name]:g}" if loop == "DataLoader" else ""
        spread = "" if loop == "ours" else f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        made.append(f"| {name} | {loop} | {statistics.median(seconds):.3f} | {spread} | {target} |")
    return made


def digits() -> Tensors:
    """All rows, pixels in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return Tensors(torch.from_numpy((X / 16).astype(np.float32)), torch.from_numpy(y.astype(np.int64)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = digits()
    print("| network | loop | seconds | times ours (range) | target |\n|---|---|---|---|---|")
    for name, hidden in NETWORKS.items():
        print("\n".join(lines(name, measure(hidden, rows, options.epochs, options.rounds))))
    if not find_spec("skorch"):
        print("\nskorch is not installed (pip install -c constraints.txt -e .[bench]): left out.")


if __name__ == "__main__":
    main()
