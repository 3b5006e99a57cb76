"""An existing Dask cluster as the workers of a study: on this disk, or on others.

A worker that does not see the workspace's disk makes a workspace of its own (`tasks.study.private`), with
what it fetches from the DVC remote. A candidate counts once its trials and all their nodes are in the store
here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prefect.futures import PrefectFuture

from flows.crew import Crew, Job, Stop, Trials, dask_runner, named
from tasks import away, pipeline, versioning
from tasks.errors import EspalierError
from tasks.study.private import Parcel, differences, mark, parcel
from tasks.study.store import Store
from tasks.study.trial import known_trial
from tasks.study.worker import WorkerLostError

if TYPE_CHECKING:
    from tasks.versioning import Offer

__all__ = ["Cluster"]

_SECONDS = 10
"""For a scheduler to answer."""

_log = logging.getLogger("espalier.stage")


class Cluster(Crew):
    """The workers of `study.address`."""

    _offered: Offer | None = None
    _asked = False

    @cached_property
    def sent(self) -> Parcel:
        """What every worker is told of the workspace."""
        return parcel(self.root, mark(self.root))

    def known(self, job: Job) -> Trials:
        """Return the trials that are in the store here: a worker's own may not have them."""
        found = [known_trial(self.root, job.overrides, seed, **job.labels)[1] for seed in job.seeds]
        return [trial for trial in found if trial is not None]

    @contextmanager
    def at_work(self) -> Iterator[Any]:
        """Connect; the first time, ask each worker for its disk and its Espalier.

        Raises
        ------
        EspalierError
            When no scheduler answers, a worker has another Espalier, or its inputs cannot reach it.
        """
        ready: Any = dask_runner(address=self.config.address, client_kwargs={"timeout": _SECONDS})
        self._require_scheduler()
        with ready as runner:
            if not self._asked:
                self._ask(runner)
            try:
                yield runner
            finally:
                with suppress(OSError):
                    runner.client.run(away.release, on_error="ignore")

    def _require_scheduler(self) -> None:
        connect = import_module("distributed").Client
        try:
            connect(self.config.address, timeout=_SECONDS, set_as_default=False).close()
        except (OSError, ValueError, ImportError) as error:
            raise EspalierError(
                f"study.address: no Dask scheduler answers at {self.config.address}; start one "
                "(`dask scheduler`), correct the address, or set study.runner: processes"
            ) from error

    def _ask(self, runner: Any) -> None:
        """Look at the workers that are there, and offer the inputs where one has not this disk."""
        seen = _each(runner.client, away.seen, self.sent.root, self.sent.token)
        for found in seen.values():
            if other := differences(self.sent.installed, found["installed"]):
                raise EspalierError(
                    f"worker {found['host']}: {other}; install the same there, and start the worker again"
                )
        if not seen:
            _log.info("study      no worker at %s yet: candidates wait for one", self.config.address)
        if not seen or not all(found["disk"] for found in seen.values()):
            self._offered = versioning.offer(self.root, list(self.sent.contents))
        self._asked = True

    def submit(self, runner: Any, job: Job, stop: Stop) -> PrefectFuture[Any]:
        """Have the trials of a candidate computed that are not known here."""
        task = named(pipeline.candidate_away, job)
        given = {"overrides": dict(job.overrides), "seeds": list(job.seeds), "labels": job.labels}
        future: PrefectFuture[Any] = runner.submit(
            task, {"sent": self.sent, "offered": self._offered, **given}
        )
        return future

    def received(self, runner: Any, result: Any) -> Trials:
        """Bring what the worker has and this disk lacks into the store here, nodes before their trial."""
        made: away.Made = result
        if made.root != str(self.root):
            store = Store(self.root)
            with store.in_use():
                for trial in made.trials:
                    self._bring(runner.client, store, made, trial)
        return made.trials

    def _bring(self, client: Any, store: Store, made: away.Made, trial: Mapping[str, Any]) -> None:
        key, _ = known_trial(self.root, trial["overrides"], trial["seed"])
        if key != trial["key"]:
            raise EspalierError(
                f"{made.worker}: computed {trial['name']} from other code or data than is here; "
                "start its workers again, then run again"
            )
        for node in trial["nodes"].values():
            if store.facts(node) is None:
                store.unpacked(node, _from(client, made, node))
        if trial["key"] in made.kept:
            store.record(trial["key"], trial)

    def halt(self, runner: Any, futures: Iterable[Any]) -> None:
        """Tell workers to begin nothing more, and take back what none has taken up."""
        import_module("distributed").Event(away.halt_name(self.sent.token), client=runner.client).set()
        taken = {str(key) for keys in runner.client.processing().values() for key in keys}
        waiting = [future.wrapped_future for future in futures if future.wrapped_future.key not in taken]
        runner.client.cancel(waiting)


def _each(client: Any, function: Any, *given: Any) -> dict[str, Any]:
    """Call a function in every worker; one that has no Espalier is told."""
    try:
        found: dict[str, Any] = client.run(function, *given)
    except ImportError as error:
        raise EspalierError(
            f"a worker of the cluster cannot import what it needs ({error}); install Espalier with the extra "
            "dask there (pip install -c constraints.txt -e '.[dask]'), the version that is here"
        ) from error
    return found


def _from(client: Any, made: away.Made, node: str) -> Mapping[str, bytes]:
    """Fetch a node's files from the worker that has them.

    Raises
    ------
    WorkerLostError
        When it is gone.
    """
    try:
        answers = client.run(away.node_files, made.root, node, workers=[made.worker])
        found: Mapping[str, bytes] = answers[made.worker]
    except (OSError, KeyError) as error:
        raise WorkerLostError(f"{made.worker}: gone before its results were here") from error
    if not found:
        raise WorkerLostError(f"{made.worker}: node {node} is gone")
    return found
