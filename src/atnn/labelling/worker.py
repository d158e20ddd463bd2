"""Worker processes for labelling: plain subprocesses, so that a script needs no main guard.

``multiprocessing`` imports the user's script again in each process that it spawns, and what is not under
``if __name__ == "__main__":`` runs twice there. These processes import the package and the labeller's module, nothing
else. Both ends speak pickle over pipes of their own, which no file and nobody else writes into.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, BinaryIO

from atnn.errors import LabellingError

READY = "ready"
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from atnn.labelling.worker import serve; serve()"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DEATHS = (OSError, EOFError, pickle.UnpicklingError)  # what reading from a process that dies raises
REMEDY = "define it in a module of its own, which worker processes can import, or use workers=0"


class WorkerDied(Exception):
    """The process died of its task."""


class Worker:
    """One process with one thread. A task at a time tells exactly which structure it died of."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
        )
        self._thread = ThreadPoolExecutor(1)
        self._started = False

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Future result of a function of the package.

        Its exception is :class:`WorkerDied` where the process died of it, and ``LabellingError`` where no process
        can do it.
        """
        try:
            task = pickle.dumps((function, arguments))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise LabellingError(f"the labeller cannot be sent to a worker process: {error}", remedy=REMEDY) from error
        return self._thread.submit(self._exchange, task)

    def _exchange(self, task: bytes) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        if not self._started:
            self._check_started(self._process.stdout)
        try:
            pickle.dump(task, self._process.stdin)
            self._process.stdin.flush()
            loaded, result = pickle.load(self._process.stdout)
        except DEATHS as error:
            raise WorkerDied from error
        if not loaded:
            raise LabellingError(f"a worker process cannot load the labeller: {result}", remedy=REMEDY)
        return result

    def _check_started(self, answers: IO[bytes]) -> None:
        try:
            self._started = pickle.load(answers) == READY
        except DEATHS as error:  # every other process would die too
            raise LabellingError(
                "worker processes cannot be started", remedy="see what they printed, or use workers=0"
            ) from error

    def stop(self) -> None:
        """End the process, also in the middle of a task."""
        self._process.kill()
        self._thread.shutdown()  # no longer waits for an answer
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # what was not sent yet is for nobody
                pipe.close()  # type: ignore[union-attr]


class Workers:
    """Processes that live as long as this object, so that only the first use waits until they have started."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []

    def take(self) -> Worker:
        """An idle worker, or a new one."""
        return self._idle.pop() if self._idle else Worker()

    def give_back(self, worker: Worker) -> None:
        """Keep an idle worker for later."""
        self._idle.append(worker)

    def close(self) -> None:
        """End all idle workers."""
        while self._idle:
            self._idle.pop().stop()


def serve() -> None:
    """Do the tasks that come in, one after the other, until the parent is gone."""
    tasks, answers = _take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets ctrl-C too, and ends its workers
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, waiting), daemon=True).start()
    _answer(answers, READY)
    while True:
        _answer(answers, _perform(waiting.get()))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent; what a labeller prints goes to the standard error output instead."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return tasks, answers


def _listen(tasks: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    """Queue tasks, and end this process when the parent is killed, also in the middle of a task."""
    while True:
        try:
            waiting.put(pickle.load(tasks))
        except DEATHS:
            os._exit(1)


def _perform(task: bytes) -> tuple[bool, Any]:
    """Whether the task could be loaded, and its result or the reason why not."""
    try:
        function, arguments = pickle.loads(task)
    except Exception as error:  # importing the module of a labeller may raise anything; it is reported
        return False, f"{type(error).__name__}: {error}"
    return True, function(*arguments)


def _answer(answers: BinaryIO, value: object) -> None:
    try:
        pickle.dump(value, answers)
        answers.flush()
    except BrokenPipeError:  # the parent was killed: nobody waits for the answer, or for a traceback
        os._exit(1)
