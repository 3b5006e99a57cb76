"""Makes the nodes of a trial: each one once, whoever asks, and none that is there already."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.config import Params
from tasks.errors import EspalierError
from tasks.study import sandbox
from tasks.study.nodes import Step, keys, steps
from tasks.study.store import Store

__all__ = ["FailedNodeError", "Workshop", "out_of_memory"]

_ADOPTED = "clean"

_NUMERIC = (ArithmeticError, ValueError, RuntimeError)
"""What NumPy, scikit-learn and PyTorch raise at numbers or shapes they cannot work with."""

log = logging.getLogger("espalier.study")

_NO_MEMORY = ("allocate memory", "out of memory")


class FailedNodeError(EspalierError):
    """A stage failed on these very inputs, now or earlier."""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out, which PyTorch reports in words alone."""
    return any(
        isinstance(cause, MemoryError)
        or (isinstance(cause, RuntimeError) and any(words in str(cause) for words in _NO_MEMORY))
        for cause in _causes(error)
    )


def _of_the_machine(error: BaseException) -> bool:
    """Say whether a failure came from the machine (a full disk, memory): it says nothing of the recipe."""
    return out_of_memory(error) or any(isinstance(cause, OSError) for cause in _causes(error))


class Workshop:
    """The nodes of one trial.

    Parameters
    ----------
    root : Path
        Workspace.
    text, params : str, Params
        The trial's params.yaml, as text and read.
    """

    def __init__(self, root: Path, text: str, params: Params) -> None:
        self.root, self.text, self.params = root, text, params
        self.store = Store(root)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Key of every stage's node."""
        return keys(self.root, self.params)

    @property
    def ended(self) -> dict[str, str]:
        """Keys of the nodes that are there, failed ones too."""
        return {stage: key for stage, key in self.keys.items() if self.store.facts(key)}

    def node(self, stage: str) -> Path:
        """Folder of a stage's node."""
        return self.store.node(self.keys[stage])

    def facts(self, stage: str) -> dict[str, Any]:
        """What was noted of a finished node."""
        return self.store.facts(self.keys[stage]) or {}

    def make(self, stage: str) -> Path:
        """Return the folder of a stage's node, computed with all it needs unless it is there.

        Raises
        ------
        FailedNodeError
            When the stage fails, or has failed before, for a reason that lies in its inputs.
        EspalierError
            When it fails for a reason that lies in the machine; nothing is then noted.
        """
        step, key = steps(self.root)[stage], self.keys[stage]
        facts = self.store.facts(key)
        if facts is None:
            for earlier in step.before:
                self.make(earlier)
            with self.store.locked(key):
                facts = self.store.facts(key) or self._computed(step, key)
        if facts["failed"] is not None:
            raise FailedNodeError(facts["failed"])
        return self.store.node(key)

    def _computed(self, step: Step, key: str) -> dict[str, Any]:
        work = self.store.work(key)
        sandbox.assemble(work, step, self.root, self.text, {name: self.node(name) for name in step.before})
        failed = None
        if step.name == _ADOPTED and sandbox.recorded(self.root, step, self.text):
            sandbox.adopt(self.root, step, work)
        else:
            failed = self._failure(step, work)
        facts = {"stage": step.name, "seconds": sandbox.seconds(step, work), "failed": failed}
        self.store.publish(key, () if failed else step.outs, facts)
        log.info("%-10s %s %s", step.name, key, "failed" if failed else "computed")
        return facts

    def _failure(self, step: Step, work: Path) -> str | None:
        """Run the stage; return why it failed, or None."""
        try:
            sandbox.execute(step, work)
        except (EspalierError, *_NUMERIC) as error:
            if _of_the_machine(error):
                raise
            said, known = str(error).replace(f"{work}/", ""), isinstance(error, EspalierError)
            return said if known else f"stage {step.name}: {type(error).__name__}: {said}"
        return None
