"""Train a network: one loop for the reference, the reduced net and the recovery after pruning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.training.batching import Batch, Tensors, memory_batches, spans, stream_batches
from tasks.training.checkpoint import Checkpoint
from tasks.training.config import TrainConfig
from tasks.training.device import runtime
from tasks.training.losses import Distil, balanced_weights, build_loss, label_loss
from tasks.training.mixing import Mixing
from tasks.training.optimisers import build_optimiser
from tasks.training.records import EpochRecord, Fit, Hooks, Rounds
from tasks.training.run import Run, isolated, mixed_dtype, resume, save, seed_noise, snapshot, training_key
from tasks.training.schedules import SCHEDULES
from tasks.training.scoring import metric, network_inputs, predict_split
from tasks.training.seeds import NOISE, derived_seed, permutation

__all__ = ["Distil", "EpochRecord", "Fit", "Hooks", "Rounds", "Tensors", "fit"]


def fit(
    network: nn.Module,
    train: Tensors,
    valid: Tensors | None,
    config: TrainConfig,
    *,
    task: str,
    outputs: int,
    seed: int,
    epochs: int | None = None,
    lr: float | None = None,
    until: int | None = None,
    teacher: Tensor | None = None,
    distil: Distil | None = None,
    mixing: Mixing | None = None,
    rounds: Rounds | None = None,
    hooks: Hooks | None = None,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[EpochRecord], bool | None] | None = None,
) -> Fit:
    """Train a copy of `network` and return it with the weights of its best validation epoch, or of `until`.

    Equal arguments and threads give equal bits, whatever ran before in the process: each epoch's batches and
    dropout are drawn from (seed, epoch) alone. The best weights are restored whenever there are validation
    rows; `patience` only decides whether training stops early.

    Parameters
    ----------
    network
        Left as it is.
    train, valid
        Network inputs and targets (class codes, or the standardised target). Without validation rows the
        last epoch counts as the best.
    outputs
        Classes, or 1 for regression.
    epochs, lr
        In place of the configured ones.
    until
        Stop after this many epochs of `epochs` and return the weights of that moment, not the best ones.
    teacher
        Logits (n, K) of another network on all of `train`, for distillation.
    distil
        How much the teacher counts.
    mixing
        Mixtures of rows to train on in place of the rows, with a teacher's answers of their own; for rows
        held in memory.
    rounds
        Training rows of each epoch; all by default.
    hooks
        Masks and schedules of pruning.
    checkpoint
        Where each finished epoch is saved, and an interrupted training of the same arguments goes on from.
    on_epoch
        Called with each epoch's record. Where it answers True the training ends; with `until`, with the
        weights of that moment.

    Raises
    ------
    EspalierError
        When the loss stops being finite (the last good checkpoint is kept), a checkpoint cannot be written,
        the device is absent, nothing is trainable, or rows to be mixed are streamed.

    Examples
    --------
    >>> X = torch.tensor([[-1.0], [1.0]] * 8)
    >>> rows = Tensors(X, (X[:, 0] > 0).long())
    >>> config = TrainConfig(epochs=20, lr=0.1, threads=1)
    >>> done = fit(nn.Linear(1, 2), rows, rows, config, task="classification", outputs=2, seed=0)
    >>> done.history[-1].valid_metric
    1.0
    """
    if mixing is not None and config.loader == "stream":
        raise EspalierError(
            "train.loader: stream reads rows from disk, and mixtures need them in memory; set memory"
        )
    valid = valid if valid is not None and len(valid) else None
    with runtime(config) as device, isolated(device):
        copied, amp = copy.deepcopy(network).to(device).train(), mixed_dtype(config, device)
        run = Run(
            network=copied,
            optimiser=build_optimiser(copied.parameters(), config, device),
            loss=build_loss(task, config, distil, _class_weights(train, config, task, outputs, device)),
            config=config,
            task=task,
            epochs=config.epochs if epochs is None else epochs,
            lr=config.lr if lr is None else lr,
            seed=seed,
            device=device,
            hooks=_until(hooks or Hooks(), until),
            until=until,
            amp=amp,
            scaler=torch.amp.GradScaler(device.type) if amp is torch.float16 else None,
            best=snapshot(copied),
        )
        key = training_key(run, train, valid, teacher, distil, mixing, rounds) if checkpoint else ""
        if checkpoint:
            resume(run, checkpoint, key)
        train, valid, teacher = _placed(train, valid, teacher, run)
        mixing = None if mixing is None else mixing.to(device)
        while not run.finished:
            order = _order(run, len(train), rounds)
            batches = _batches(run, train, teacher, mixing, order)
            run.remember(_epoch(run, batches, len(order), valid, checkpoint))
            if checkpoint:
                save(run, checkpoint, key)
            if on_epoch and on_epoch(run.history[-1]):
                run.stop()
        copied.load_state_dict(run.best)
    return Fit(copied.cpu().eval(), tuple(run.history), run.best_epoch, run.seconds, run.earlier)


def _until(hooks: Hooks, until: int | None) -> Hooks:
    """Let no epoch before the last one be the best."""
    return hooks if until is None else replace(hooks, settled=until - 1)


def _class_weights(
    train: Tensors, config: TrainConfig, task: str, outputs: int, device: torch.device
) -> Tensor | None:
    if task == "regression" or config.class_weights == "none":
        return None
    return balanced_weights(train.y, outputs).to(device)


def _placed(
    train: Tensors, valid: Tensors | None, teacher: Tensor | None, run: Run
) -> tuple[Tensors, Tensors | None, Tensor | None]:
    """Put what is read whole onto the device: everything, or the validation targets alone when streaming."""
    device = run.device
    if valid is not None:
        valid = replace(valid, X=valid.X if valid.prepare else valid.X.to(device), y=valid.y.to(device))
    if run.config.loader == "stream":
        return train, valid, teacher
    whole = Tensors(network_inputs(train).to(device), train.y.to(device))
    return whole, valid, None if teacher is None else teacher.to(device)


def _batches(
    run: Run, train: Tensors, teacher: Tensor | None, mixing: Mixing | None, order: Tensor
) -> Iterator[Batch]:
    if mixing is not None:
        return mixing.batches(train, len(run.history), order, run.config.batch)
    if run.config.loader == "stream":
        return stream_batches(train, teacher, order, run.config.batch, run.device)
    return memory_batches(train, teacher, order, run.config.batch)


def _order(run: Run, count: int, rounds: Rounds | None) -> Tensor:
    """Training rows of the coming epoch in the order of their batches."""
    epoch = len(run.history)
    if rounds is None:
        return permutation(count, run.seed, epoch)
    rows = torch.as_tensor(rounds(epoch), dtype=torch.int64)
    return rows[permutation(len(rows), run.seed, epoch)]


def _epoch(
    run: Run, batches: Iterator[Batch], rows: int, valid: Tensors | None, checkpoint: Checkpoint | None
) -> EpochRecord:
    """Train one epoch of so many rows and judge it."""
    epoch = len(run.history)
    if run.hooks.before_epoch:
        run.hooks.before_epoch(run.network, epoch, run.epochs)
    seed_noise(derived_seed(run.seed, NOISE, epoch), run.device)
    train_loss = _steps(run, batches, len(spans(rows, run.config.batch)))
    valid_loss, valid_metric = _judge(run, valid) if valid is not None else (math.nan, math.nan)
    if not math.isfinite(train_loss) or (valid is not None and not math.isfinite(valid_loss)):
        raise EspalierError(_diverged(run, train_loss, valid_loss, checkpoint))
    return EpochRecord(epoch + 1, train_loss, valid_loss, valid_metric, run.optimiser.param_groups[0]["lr"])


def _steps(run: Run, batches: Iterator[Batch], count: int) -> float:
    """Take an epoch's steps; return its mean loss over rows."""
    schedule, losses = SCHEDULES[run.config.schedule], [record.valid_loss for record in run.history]
    group, done = run.optimiser.param_groups[0], len(run.history)
    total, rows = torch.zeros((), device=run.device), 0
    for index, batch in enumerate(batches):
        group["lr"] = run.lr * schedule((done + index / count) / run.epochs, losses)
        total.add_(_step(run, *batch), alpha=len(batch[1]))
        rows += len(batch[1])
    return float(total) / rows


def _step(run: Run, X: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
    """Take one optimiser step; return its loss."""
    for parameter in run.optimiser.param_groups[0]["params"]:
        parameter.grad = None  # fresh gradients are assigned, not added
    loss = run.loss(_outputs(run, X), y, soft)
    (run.scaler.scale(loss) if run.scaler else loss).backward()  # type: ignore[no-untyped-call]
    if run.config.clip_norm > 0:
        if run.scaler:
            run.scaler.unscale_(run.optimiser)  # type: ignore[arg-type]  # torch's own beside a scaler
        nn.utils.clip_grad_norm_(run.network.parameters(), run.config.clip_norm)
    if run.scaler:
        run.scaler.step(run.optimiser)  # type: ignore[arg-type]  # torch's own beside a scaler
        run.scaler.update()
    else:
        run.optimiser.step()
    if run.hooks.after_step:
        run.hooks.after_step(run.network)
    return loss.detach()


def _outputs(run: Run, X: Tensor) -> Tensor:
    try:
        if run.amp is None:
            return run.network(X)  # type: ignore[no-any-return]
        with torch.autocast(run.device.type, run.amp):
            return run.network(X).float()  # type: ignore[no-any-return]
    except ValueError as error:
        if len(X) > 1:
            raise
        raise EspalierError(
            f"train.batch: a step has one row, which this network cannot learn from ({error}); "
            "use larger batches or more rows a round, or a network without batch norm"
        ) from error


def _judge(run: Run, valid: Tensors) -> tuple[float, float]:
    outputs = predict_split(run.network, valid, 4096, run.device)
    return float(label_loss(run.task, outputs, valid.y)), metric(run.task, outputs, valid.y)


def _diverged(run: Run, train_loss: float, valid_loss: float, checkpoint: Checkpoint | None) -> str:
    kept = f"; epoch {len(run.history)} is kept in {checkpoint.path}" if checkpoint and run.history else ""
    return (
        f"training diverged in epoch {len(run.history) + 1}: training loss {train_loss:g}, validation loss "
        f"{valid_loss:g}{kept}. Lower train.lr (now {run.lr:g}), or set train.clip_norm: 1.0"
    )
