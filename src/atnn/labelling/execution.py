"""Labels of many structures from worker processes: resumable, nothing lost, nothing skipped silently."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from multiprocessing.connection import wait as wait_for_sentinel
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labeller, Labels, check_labels, label_shape
from atnn.labelling.store import LabelStore, task_key
from atnn.progress import Progress
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled, Structures

ATTEMPTS = 3  # a worker may die of something else than its structure, e.g. of memory that another process took


class Failure(NamedTuple):
    """A structure without labels.

    Attributes:
        structure: Its place in the structures given.
        reason: What the labeller said, or that its process died.
    """

    structure: int
    reason: str


@dataclass(frozen=True)
class LabellingResult:
    """Result of a labelling run.

    Attributes:
        labelled: The structures that have labels, in the order given; labels in float64.
        indices: Their places in the structures given.
        failures: The structures that have none, and why.
        computed: Calculations done by this call; the others were in the store.
    """

    labelled: Labelled | None
    indices: np.ndarray
    failures: tuple[Failure, ...]
    computed: int


def label(structures: Structures, labeller: Labeller, path: str | Path, workers: int = 2) -> LabellingResult:
    """Label structures, each in one process with one thread, and keep finished calculations in ``path``.

    The same call again computes only what is missing. A calculation that raises ``LabellingError`` is remembered as
    failed. A structure whose worker process dies, or raises anything else, is given to a worker up to three times.
    Then it is a failure of this call, and the next call tries it afresh.

    Args:
        structures: Geometries, with total charge and unpaired electrons where they matter.
        labeller: The method.
        path: The label store, see :class:`~atnn.labelling.store.LabelStore`.
        workers: Number of processes; 0 calculates in this process.

    Raises:
        LabellingError: The store cannot be used, worker processes cannot be started, or the labeller gives what the
            table of quantities does not know, or in another shape.
    """
    settings = labeller.settings
    parts = structures.singles()
    keys = [task_key(part, settings) for part in parts]
    with LabelStore(path) as store:
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        done = store.errors(first)
        tasks = {key: parts[index] for key, index in sorted(first.items(), key=lambda item: item[1]) if key not in done}
        crashed: dict[str, str] = {}
        what = f"labelling with {settings.get('method', settings['program'])}"
        with Progress(what, len(tasks), unit="structure") as progress:
            for outcome in _outcomes(tasks, labeller, min(workers, len(tasks))):
                if outcome.died:
                    crashed[outcome.key] = outcome.error or ""
                else:
                    atoms = len(tasks[outcome.key].numbers)
                    check_labels(outcome.labels, atoms)
                    store.write(outcome.key, settings, atoms, outcome.labels, outcome.error)
                progress.advance()
        reasons = {**store.errors(first), **crashed}
        good = [index for index, key in enumerate(keys) if reasons[key] is None]
        labels = [store.read(keys[index]) for index in good]
    failures = tuple(Failure(i, reason) for i, key in enumerate(keys) if (reason := reasons[key]) is not None)
    labelled = _join(structures.select(good), labels) if good else None
    return LabellingResult(labelled, np.array(good, dtype=np.int64), failures, len(tasks) - len(crashed))


def label_in_memory(structures: Structures, labeller: Labeller) -> LabellingResult:
    """Label structures one after the other in this process, as :func:`label` does, and keep nothing on the disk.

    Raises:
        LabellingError: The labeller gives what the table of quantities does not know, or in another shape.
    """
    outcomes = [_calculate("", labeller, part) for part in structures.singles()]
    failures = tuple(Failure(i, outcome.error) for i, outcome in enumerate(outcomes) if outcome.error is not None)
    good = [index for index, outcome in enumerate(outcomes) if outcome.error is None]
    for index in good:
        check_labels(outcomes[index].labels, int(structures.counts[index]))
    labelled = _join(structures.select(good), [outcomes[index].labels for index in good]) if good else None
    return LabellingResult(labelled, np.array(good, dtype=np.int64), failures, len(outcomes))


def _join(structures: Structures, results: list[Labels]) -> Labelled:
    """Labels of single structures as one ``Labelled``; what a structure lacks is zero and masked out."""
    labels, masks = {}, {}
    counts = structures.counts.tolist()
    for name in sorted(set().union(*results)):
        shapes = [label_shape(name, count) for count in counts]
        values = [torch.tensor(r[name]) if name in r else torch.zeros(s) for r, s in zip(results, shapes, strict=True)]
        values = [value.double() for value in values]
        labels[name] = torch.stack(values) if QUANTITIES[name].axis == "structure" else torch.cat(values)
        masks[name] = torch.tensor([name in result for result in results])
    return Labelled(structures, labels, masks)


@dataclass
class _Outcome:
    key: str
    labels: Labels = field(default_factory=dict)
    error: str | None = None
    died: bool = False


def _outcomes(tasks: dict[str, Structures], labeller: Labeller, workers: int) -> Iterator[_Outcome]:
    """Outcome of every task as it comes. The task of a process that died is given to a new one."""
    if workers == 0:
        for key, structure in tasks.items():
            yield _calculate(key, labeller, structure)
        return
    queue, attempts = deque(tasks), dict.fromkeys(tasks, 0)
    idle = [_Worker() for _ in range(workers)]
    running: dict[Future, tuple[str, _Worker]] = {}
    try:
        while queue or running:
            while queue and idle:
                key, worker = queue.popleft(), idle.pop()
                running[worker.submit(key, labeller, tasks[key])] = (key, worker)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key, worker = running.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    worker.check_started()
                    worker.stop()
                    worker = _Worker()
                    outcome = _Outcome(key, error="its process died", died=True)
                else:
                    outcome = future.result()
                idle.append(worker)
                attempts[key] += 1
                if outcome.died and attempts[key] < ATTEMPTS:
                    queue.append(key)
                else:
                    yield outcome
    finally:
        for worker in idle + [worker for _, worker in running.values()]:
            worker.stop()


class _Worker:
    """One process with one thread. A pool of one tells exactly which structure it died of."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_die_with_parent)
        with _one_thread():
            self._started = self._pool.submit(os.getpid)  # the first task starts the process

    def submit(self, key: str, labeller: Labeller, structure: Structures) -> Future:
        """Future outcome of one task. Arrays travel as NumPy's: torch would put each into shared memory."""
        arrays = {f.name: getattr(structure, f.name) for f in fields(structure)}
        plain = {name: None if value is None else value.detach().cpu().numpy() for name, value in arrays.items()}
        try:
            return self._pool.submit(_calculate_plain, key, labeller, plain)
        except BrokenExecutor as error:  # it died while idle
            failed: Future = Future()
            failed.set_exception(error)
            return failed

    def check_started(self) -> None:
        """Raise if the process died before its first task, because then every process will."""
        if isinstance(self._started.exception(), BrokenExecutor):
            raise LabellingError(
                "worker processes cannot be started",
                remedy='put the call under `if __name__ == "__main__":` in your script, or use workers=0',
            )

    def stop(self) -> None:
        """End the process once its present task is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Give one thread to each process that is started inside; numerical libraries read this when they are loaded."""
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _die_with_parent() -> None:
    """End this worker when its parent is killed, because it would wait for tasks forever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait_for_sentinel([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _calculate_plain(key: str, labeller: Labeller, arrays: dict[str, np.ndarray | None]) -> _Outcome:
    tensors = {name: None if value is None else torch.tensor(value) for name, value in arrays.items()}
    return _calculate(key, labeller, Structures(**tensors))  # type: ignore[arg-type]


def _calculate(key: str, labeller: Labeller, structure: Structures) -> _Outcome:
    try:
        labels = labeller(structure)
    except LabellingError as error:
        return _Outcome(key, error=str(error))
    except Exception as error:  # a defect of the labeller costs one structure, not the run, and is reported
        return _Outcome(key, error=f"{type(error).__name__}: {error}", died=True)
    broken = [name for name, value in labels.items() if not np.isfinite(value).all()]
    if broken:
        return _Outcome(key, error=f"{', '.join(broken)} NaN or infinite")
    return _Outcome(key, labels)
