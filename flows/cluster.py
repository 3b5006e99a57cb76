"""An existing Dask cluster as the workers of a study: on this disk, or on others.

A worker that does not see the workspace's disk makes a workspace of its own (`tasks.study.private`), with
what it fetches from the DVC remote. A candidate counts once its trials and all their nodes are in the store
here. Its Prefect task is a thread of this process that waits for Dask: workers need no Prefect server, and
get no key of one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.crew import NEEDS_EXTRA, Crew, Job, Stop, Trials, named
from tasks import away, pipeline, versioning
from tasks.errors import EspalierError
from tasks.study.private import Parcel, mark, parcel, require_same
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
    _client: Any
    _waited: dict[PrefectFuture[Any], Any]  # what Dask was asked for, by what waits for it

    @cached_property
    def sent(self) -> Parcel:
        """What every worker is told of the workspace."""
        return parcel(self.root, mark(self.root))

    def known(self, job: Job) -> Trials:
        """Return the trials that are in the store here: a worker's own may not have them."""
        found = [self._known(job.overrides, seed, job.labels)[1] for seed in job.seeds]
        return [trial for trial in found if trial is not None]

    def _known(
        self, overrides: Mapping[str, Any], seed: int, labels: Mapping[str, str]
    ) -> tuple[str, dict[str, Any] | None]:
        return known_trial(self.root, overrides, seed, **labels, base=self.sent.params)

    @contextmanager
    def at_work(self) -> Iterator[ThreadPoolTaskRunner[Any]]:
        """Connect; the first time, ask each worker for its disk and its Espalier.

        Raises
        ------
        EspalierError
            When no scheduler answers, a worker has another Espalier, or its inputs cannot reach it.
        """
        self._client, self._waited = _connected(str(self.config.address)), {}
        runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner()
        with runner:
            try:
                if not self._asked:
                    self._ask()
                yield runner
            finally:
                with suppress(OSError):
                    self._client.run(away.release, on_error="ignore")
                self._client.close()  # threads that wait give up

    def _ask(self) -> None:
        """Look at the workers that are there, and offer the inputs where one has not this disk."""
        with _faults():
            seen = self._client.run(away.seen, self.sent.root, self.sent.token)
        for found in seen.values():
            require_same(self.sent.installed, found["installed"], found["host"])
        if not seen:
            _log.info("study      no worker at %s yet: candidates wait for one", self.config.address)
        if not seen or not all(found["disk"] for found in seen.values()):
            self._offered = versioning.offer(self.root, list(self.sent.contents))
        self._asked = True

    def submit(self, runner: Any, job: Job, stop: Stop) -> PrefectFuture[Any]:
        """Have the trials of a candidate computed that are not known here."""
        given = (self.sent, self._offered, dict(job.overrides), list(job.seeds), job.labels)
        waited = self._client.submit(away.compute, *given, pure=False)
        task = named(pipeline.candidate_away, job)
        future: PrefectFuture[Any] = runner.submit(task, {"compute": partial(_result, waited)})
        self._waited[future] = waited
        return future

    def received(self, result: Any) -> Trials:
        """Bring what the worker has and this disk lacks into the store here, nodes before their trial."""
        made: away.Made = result
        if made.root != self.sent.root:
            store = Store(self.root)
            with store.in_use():
                for trial in made.trials:
                    self._bring(store, made, trial)
        return made.trials

    def _bring(self, store: Store, made: away.Made, trial: Mapping[str, Any]) -> None:
        key, _ = self._known(trial["overrides"], trial["seed"], {})
        if key != trial["key"]:
            raise EspalierError(
                f"{made.worker}: computed {trial['name']} from other code or data than is here; "
                "start its workers again, then run again"
            )
        for node in trial["nodes"].values():
            if store.facts(node) is None:
                store.unpacked(node, self._files(made, node))
        if trial["key"] in made.kept:
            store.record(trial["key"], trial)

    def _files(self, made: away.Made, node: str) -> Mapping[str, bytes]:
        """Fetch a node's files from the worker that has them.

        Raises
        ------
        WorkerLostError
            When it is gone.
        """
        try:
            answers = self._client.run(away.node_files, made.root, node, workers=[made.worker])
            found: Mapping[str, bytes] = answers[made.worker]
        except (OSError, KeyError) as error:
            raise WorkerLostError(f"{made.worker}: gone before its results were here") from error
        if not found:
            raise WorkerLostError(f"{made.worker}: node {node} is gone")
        return found

    def halt(self) -> None:
        """Tell workers to begin nothing more, and take back what none has taken up."""
        import_module("distributed").Event(away.halt_name(self.sent.token), client=self._client).set()
        taken = {str(key) for keys in self._client.processing().values() for key in keys}
        self._client.cancel([waited for waited in self._waited.values() if waited.key not in taken])


def _connected(address: str) -> Any:
    try:
        dask = import_module("distributed")
    except ImportError as error:
        raise EspalierError(NEEDS_EXTRA) from error
    try:
        return dask.Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EspalierError(
            f"study.address: no Dask scheduler answers at {address}; start one (`dask scheduler`), correct "
            "the address, or set study.runner: processes"
        ) from error


def _result(waited: Any) -> away.Made:
    with _faults():
        made: away.Made = waited.result()
    return made


@contextmanager
def _faults() -> Iterator[None]:
    """Say of a worker that it has no Espalier, or that it is gone."""
    dask = import_module("distributed")
    try:
        yield
    except ImportError as error:
        raise EspalierError(
            f"a worker of the cluster cannot import what it needs ({error}); install this version of "
            "Espalier with the extra dask there (pip install -c constraints.txt -e '.[dask]')"
        ) from error
    except (dask.KilledWorker, dask.CancelledError) as error:
        raise WorkerLostError(f"a worker of the cluster is gone ({type(error).__name__})") from error
