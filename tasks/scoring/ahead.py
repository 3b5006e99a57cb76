"""Reading and writing beside scoring: each in a thread of its own, a few chunks ahead or behind at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

__all__ = ["Behind", "ahead", "behind"]

T = TypeVar("T")
WAIT = 0.2


@contextmanager
def ahead(items: Iterator[T], most: int = 1) -> Iterator[Iterator[T]]:
    """Take from `items` in a thread, up to `most` before they are asked for; errors come in their turn."""
    queue: Queue[tuple[bool, T | BaseException | None]] = Queue(most)
    stop = Event()
    thread = Thread(target=_fill, args=(items, queue, stop), daemon=True)
    thread.start()
    try:
        yield _drain(queue)
    finally:
        stop.set()
        thread.join()


def _fill(items: Iterator[T], queue: Queue[tuple[bool, T | BaseException | None]], stop: Event) -> None:
    try:
        for item in items:
            if not _put(queue, (True, item), stop):
                break
        _put(queue, (False, None), stop)
    except BaseException as error:  # noqa: BLE001 - raised again where the items are asked for
        _put(queue, (False, error), stop)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _put(queue: Queue[T], item: T, stop: Event) -> bool:
    while not stop.is_set():
        try:
            queue.put(item, timeout=WAIT)
        except Full:
            continue
        return True
    return False


def _drain(queue: Queue[tuple[bool, T | BaseException | None]]) -> Iterator[T]:
    while True:
        there, item = queue.get()
        if there:
            yield item  # type: ignore[misc]  # marked as an item
        elif isinstance(item, BaseException):
            raise item
        else:
            return


class Behind(Generic[T]):
    """Calls that are made one after the other in a thread, at most one waiting; errors come at the next."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._due: deque[Future[T]] = deque()

    def __call__(self, call: Callable[[], T]) -> None:
        """Make a call when those before it are through."""
        while len(self._due) > 1:
            self._due.popleft().result()
        self._due.append(self._pool.submit(call))

    def wait(self) -> None:
        """Return when all calls were made."""
        while self._due:
            self._due.popleft().result()


@contextmanager
def behind() -> Iterator[Behind[None]]:
    """Make calls in a thread for a block; all are made when it ends well."""
    with ThreadPoolExecutor(1) as pool:
        calls: Behind[None] = Behind(pool)
        try:
            yield calls
            calls.wait()
        finally:
            pool.shutdown(cancel_futures=True)
