"""An event loop that ends with its work, even while a library's call hangs in a thread of it."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`; a thread that still runs when `work` has ended is left behind.

    `asyncio.run` waits for the threads of `asyncio.to_thread`, and Python waits for them once more
    when the process ends: one call without a time-out would hold both for ever.
    """
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Leaving())
        return runner.run(work)


class _Leaving(ThreadPoolExecutor):
    """A daemon thread for each call, for which nobody waits."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                future.set_exception(error)

        Thread(target=call, daemon=True, name="left-behind").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """Nothing is waited for."""
