"""Labels of many structures from worker processes: resumable, nothing lost, nothing skipped silently."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labeller, Labels, check_labels, label_shape
from atnn.labelling.store import LabelStore, task_key
from atnn.labelling.worker import Worker, WorkerDied, Workers
from atnn.locks import hold
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
        computed: Calculations done by this call.
        stored: Structures whose calculation was finished in the store before.
    """

    labelled: Labelled | None
    indices: np.ndarray
    failures: tuple[Failure, ...]
    computed: int
    stored: int = 0


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
        InUseError: Another process labels into the store.
        LabellingError: The store cannot be used, worker processes cannot be started, or the labeller gives what the
            table of quantities does not know, or in another shape.
    """
    with closing(Workers()) as processes:
        return label_with(structures, labeller, path, workers, processes)


def label_with(
    structures: Structures, labeller: Labeller, path: str | Path, count: int, workers: Workers
) -> LabellingResult:
    """Label structures as :func:`label` does, with processes that live on for the next call."""
    settings = labeller.settings
    parts = structures.singles()
    keys = [task_key(part, settings) for part in parts]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with hold(path, "the label store"), LabelStore(path) as store:
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        store.drop_damaged(first)
        done = store.errors(first)
        tasks = {key: parts[index] for key, index in sorted(first.items(), key=lambda item: item[1]) if key not in done}
        crashed: dict[str, str] = {}
        what = f"labelling with {settings.get('method', settings['program'])}"
        with Progress(what, len(tasks), unit="structure") as progress:
            for outcome in _outcomes(tasks, labeller, min(count, len(tasks)), workers):
                if outcome.died:
                    crashed[outcome.key] = outcome.error or ""
                else:
                    atoms = len(tasks[outcome.key].numbers)
                    check_labels(outcome.labels, tasks[outcome.key])
                    store.write(outcome.key, settings, atoms, outcome.labels, outcome.error)
                progress.advance()
        reasons = {**store.errors(first), **crashed}
        good = [index for index, key in enumerate(keys) if reasons[key] is None]
        labels = [store.read(keys[index]) for index in good]
    stored = sum(key in done for key in keys)
    failures = tuple(Failure(i, reason) for i, key in enumerate(keys) if (reason := reasons[key]) is not None)
    labelled = _join(structures.select(good), labels) if good else None
    return LabellingResult(labelled, np.array(good, dtype=np.int64), failures, len(tasks) - len(crashed), stored)


def label_in_memory(structures: Structures, labeller: Labeller) -> LabellingResult:
    """Label structures one after the other in this process, as :func:`label` does, and keep nothing on the disk.

    Raises:
        LabellingError: The labeller gives what the table of quantities does not know, or in another shape.
    """
    outcomes = [_calculate("", labeller, part) for part in structures.singles()]
    failures = tuple(Failure(i, outcome.error) for i, outcome in enumerate(outcomes) if outcome.error is not None)
    good = [index for index, outcome in enumerate(outcomes) if outcome.error is None]
    for index in good:
        check_labels(outcomes[index].labels, structures.select([index]))
    labelled = _join(structures.select(good), [outcomes[index].labels for index in good]) if good else None
    return LabellingResult(labelled, np.array(good, dtype=np.int64), failures, len(outcomes))


def _join(structures: Structures, results: list[Labels]) -> Labelled:
    """Labels of single structures as one ``Labelled``; what a structure lacks is zero and masked out."""
    labels, masks = {}, {}
    parts = structures.singles()
    for name in sorted(set().union(*results)):
        shapes = [label_shape(name, part) for part in parts]
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


def _outcomes(tasks: dict[str, Structures], labeller: Labeller, count: int, workers: Workers) -> Iterator[_Outcome]:
    """Outcome of every task as it comes. The task of a process that died is given to a new one."""
    if count == 0:
        for key, structure in tasks.items():
            yield _calculate(key, labeller, structure)
        return
    waiting, attempts = deque(tasks), dict.fromkeys(tasks, 0)
    running: dict[Future, tuple[str, Worker]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < count:
                key, worker = waiting.popleft(), workers.take()
                try:
                    future = worker.submit(_calculate_plain, key, labeller, _plain(tasks[key]))
                except LabellingError:
                    worker.stop()
                    raise
                running[future] = (key, worker)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = _outcome(future, *running.pop(future), workers)
                attempts[outcome.key] += 1
                if outcome.died and attempts[outcome.key] < ATTEMPTS:
                    waiting.append(outcome.key)
                else:
                    yield outcome
    finally:
        for _, worker in running.values():
            worker.stop()


def _outcome(future: Future, key: str, worker: Worker, workers: Workers) -> _Outcome:
    """Outcome of a finished task, whose worker is free again or dead."""
    try:
        outcome = future.result()
    except WorkerDied:
        worker.stop()
        return _Outcome(key, error="its process died", died=True)
    except LabellingError:
        worker.stop()
        raise
    workers.give_back(worker)
    return outcome


def _plain(structure: Structures) -> dict[str, np.ndarray | None]:
    """The arrays of a structure as NumPy's: torch would put each into shared memory."""
    arrays = {f.name: getattr(structure, f.name) for f in fields(structure)}
    return {name: None if value is None else value.detach().cpu().numpy() for name, value in arrays.items()}


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
