"""The training loop: one for all models, for one process or many, resumable at any moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from atnn.data import Dataset
from atnn.errors import AtnnError, SpecificationError
from atnn.model import Model, load_model, save_model
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled
from atnn.training.checkpoint import load_checkpoint, pack, save_checkpoint, unpack
from atnn.training.config import RunConfig
from atnn.training.distributed import Processes
from atnn.training.evaluate import Errors, evaluate, save_errors
from atnn.training.folder import CHECKPOINT, MODEL, claim
from atnn.training.history import Board, Row, write_history
from atnn.training.initial import initial_model
from atnn.training.loss import count_labels
from atnn.training.optimizer import build_optimizers
from atnn.training.plan import Plan
from atnn.training.progress import Progress
from atnn.training.provenance import describe_training
from atnn.training.schedule import LearningRate, loss_weights
from atnn.training.sets import Sets, open_sets
from atnn.training.step import Batch, Step, make_batch
from atnn.training.validation import validation_errors

log = logging.getLogger("atnn")
T = TypeVar("T")
TOLERATED = 10  # steps in a row with a gradient that is not finite


class TrainingDiverged(AtnnError):
    """The loss stayed NaN or infinite; the last checkpoint is from before."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run gives.

    Attributes:
        model: The averaged weights with the best validation metric.
        history: One row per validation.
        errors: Errors on the ``validation`` and, where there is one, the ``test`` data.
        folder: Where everything is.
        finished: False when ``max_minutes`` ended it early; running it again goes on.
    """

    model: Model
    history: list[Row]
    errors: dict[str, Errors]
    folder: Path
    finished: bool


@dataclass
class Standing:
    """How far a run has come.

    Attributes:
        terms, counts: Sums of squared errors of each quantity on the training data since the last validation, and their
            numbers.
        epoch, position, step: Epochs done, steps done in the present one, steps done in all.
        seconds: Time spent in steps.
        best: Smallest validation metric.
        waited: Validations since then.
        skipped: Steps in a row whose gradient was not finite.
    """

    terms: list[float]
    counts: list[float]
    epoch: int = 0
    position: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    waited: int = 0
    skipped: int = 0


def train(
    config: RunConfig, datasets: Mapping[str, Dataset] | None = None, start: Model | None = None
) -> TrainingResult:
    """Train a model, or go on where an earlier run in the same folder was stopped or killed.

    Writes ``model.atnn`` (the best so far, from the first validation on), ``history.csv``, ``checkpoint.safetensors``,
    ``split.json``, ``config.json`` and the predictions on the held-out data.

    Args:
        config: The run.
        datasets: Data sets ``train``, ``validation``, ``test`` to use instead of the files of the configuration.
        start: A model to go on from, for instance one that was trained on many cheap labels; it has to be the one that
            the configuration describes, and stays as it is.

    Raises:
        DataError: Data that cannot be used.
        SpecificationError: A configuration that cannot work, or a folder that holds another run.
        TrainingDiverged: The loss stayed NaN or infinite.
    """
    processes = Processes()
    folder = Path(config.output)
    Model(config.model.specification([1]))  # parts that do not fit each other are found before the data are read
    if processes.first:
        claim(config)
        # A split without a checkpoint is that of a run that never began, perhaps with other parts.
        sets = open_sets(config, folder, datasets, resumed=(folder / CHECKPOINT).exists())
        processes.wait()
    else:
        processes.wait()
        sets = open_sets(config, folder, datasets)
    trainer = Trainer(config, folder, sets, processes, start)
    finished = trainer.run()
    processes.wait()
    model = load_model(folder / MODEL)
    errors = {}
    if processes.first:
        for name in ("validation", "test"):
            part = getattr(sets, name)
            if part is not None:
                errors[name] = evaluate(model, part, where=f"{name} data")
                save_errors(folder / f"errors_{name}.safetensors", errors[name])
    return TrainingResult(model, trainer.history, errors, folder, finished)


class Trainer:
    """State and steps of a run; :func:`train` is the way to use it."""

    def __init__(self, config: RunConfig, folder: Path, sets: Sets, processes: Processes, start: Model | None = None):
        self.config, self.folder, self.sets, self.processes = config, folder, sets, processes
        self.names = list(config.training.weights)
        self.model, spreads = initial_model(config, sets, start)
        self.spreads = {name: spreads[name] for name in self.names}
        if processes.device is not None:
            self.model.to(processes.device)
        self.model.provenance = describe_training(config, sets)
        t = config.training
        self.step = Step(self.model, self.names, list(self.spreads.values()), t.loss, t.compile)
        self.parameters: list[Tensor] = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = build_optimizers(t, self.model)
        self.plan = Plan(t, sets.train, config.seed_of("order"))
        self.rate = LearningRate(t, t.epochs * len(self.plan(0)))
        self.standing = Standing([0.0] * len(self.names), [0.0] * len(self.names))
        self.history: list[Row] = []
        self.checkpoint, self._kept = folder / CHECKPOINT, folder / MODEL
        if self.checkpoint.exists():
            self._restore()
        self._saved = self._started = time.monotonic()

    def run(self) -> bool:
        """All epochs that are left; False when time ran out first."""
        t = self.config.training
        self._announce()
        board = Board(self.folder, self.standing.epoch) if self.processes.first else None
        with Progress(t.epochs, self.standing.epoch, self.processes.first) as progress, ThreadPoolExecutor(1) as reader:
            while self.standing.epoch < t.epochs and not self._done():
                if not self._epoch(reader):
                    self._save()
                    if self.processes.first and not self._kept.exists():
                        self._with_average(lambda: save_model(self._kept, self.model))
                    return False
                self.standing.epoch += 1
                if self.standing.epoch % t.validate_every == 0 or self.standing.epoch == t.epochs:
                    row = self._validate()
                    if board is not None:
                        board.add(row)
                    progress.show(row)
                progress.advance()
                self._save(only_after=t.checkpoint_seconds)
        if board is not None:
            board.close()
        self._save()
        return True

    def _announce(self) -> None:
        if not self.processes.first:
            return
        log.info("training data:\n%s", self.sets.train.summary.text())
        sizes = ", ".join(f"{len(part)} {name}" for name, part in self.sets._asdict().items() if part is not None)
        count = sum(p.numel() for p in self.parameters)
        log.info("%s structures; %d parameters; %d process(es)", sizes, count, self.processes.count)
        if self.standing.step:
            log.info("resumed at epoch %d, step %d", self.standing.epoch, self.standing.step)

    def _done(self) -> bool:
        stop = self.config.training.early_stopping
        return self.rate.exhausted or (stop is not None and self.standing.waited >= stop)

    def _batches(self, reader: ThreadPoolExecutor, plan: Sequence[np.ndarray]) -> Iterator[tuple[Batch | None, Tensor]]:
        """Batches of this process, one read ahead in the background, with the global numbers of labels."""
        ahead = None
        for indices in [*plan, None]:
            current = ahead
            ahead = None if indices is None else reader.submit(self._read, indices)
            if current is not None:
                yield current.result()

    def _read(self, indices: np.ndarray) -> tuple[Batch | None, Tensor]:
        share = self.processes.share(indices)
        batch = make_batch(self.model, self.sets.train[share], self.names) if len(share) else None
        if self.processes.count == 1 and batch is not None:
            return batch, batch.counts
        return batch, count_labels(_filled(self.sets.train[indices], self.names), self.names)

    def _epoch(self, reader: ThreadPoolExecutor) -> bool:
        """Steps of an epoch from where it stands; False when time is up."""
        t, limit = self.config.training, self.config.training.max_minutes
        plan = self.plan(self.standing.epoch)
        started = time.monotonic()
        for batch, number in self._batches(reader, plan[self.standing.position :]):
            self._update(batch, number)
            self.standing.position += 1
            out_of_time = limit is not None and time.monotonic() - self._started > 60 * limit
            if self.processes.agree(out_of_time):
                self.standing.seconds += time.monotonic() - started
                return False
            if time.monotonic() - self._saved > max(t.checkpoint_seconds, 1e-9):
                self.standing.seconds += time.monotonic() - started
                started = time.monotonic()
                self._save()
        self.standing.seconds += time.monotonic() - started
        self.standing.position = 0
        return True

    def _update(self, batch: Batch | None, number: Tensor) -> None:
        t = self.config.training
        progress = min(1.0, self.standing.step / self.rate.steps)
        weights = torch.tensor(loss_weights(t, progress), dtype=torch.float64)
        factors = weights / number.clamp(min=1.0)
        if batch is None:
            squares = torch.zeros(len(self.names), dtype=self.model.dtype, device=self.model.device)
            gradients = tuple(torch.zeros_like(p) for p in self.parameters)
        else:
            _, squares, gradients = self.step(batch, factors)
        squares = squares.clone()
        self.processes.add([squares, *gradients])
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, t.clip)
        self._guard(bool(torch.isfinite(norm)))
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.rate.at(self.standing.step)
                optimizer.step()
            self._accumulate(squares, number)
            decay = min(t.ema, (1 + self.standing.step) / (10 + self.standing.step))
            with torch.no_grad():
                torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        self.standing.step += 1

    def _accumulate(self, squares: Tensor, number: Tensor) -> None:
        for index, (square, count) in enumerate(zip(squares.tolist(), number.tolist(), strict=True)):
            self.standing.terms[index] += square
            self.standing.counts[index] += count

    def _guard(self, finite: bool) -> None:
        if finite:
            self.standing.skipped = 0
            return
        self.standing.skipped += 1
        log.warning("step %d skipped: the gradient is not finite", self.standing.step)
        if self.standing.skipped >= TOLERATED:
            raise TrainingDiverged(
                f"the gradient was NaN or infinite in {TOLERATED} steps in a row",
                where=f"{self.folder}, step {self.standing.step}",
                remedy="lower training.learning_rate, look for outliers with `atnn data inspect`; "
                "the last checkpoint is from before",
            )

    def _with_average(self, function: Callable[[], T]) -> T:
        """Call a function while the model has its averaged weights."""
        current = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average)
        try:
            return function()
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, current)

    def _validate(self) -> Row:
        return self._with_average(self._validate_weights)

    def _validate_weights(self) -> Row:
        t = self.config.training
        size = max(1, min(64, 4 * t.batch_size))
        scaled, rmse = validation_errors(self.model, self.sets.validation, self.spreads, t.loss, size, self.processes)
        final = torch.tensor(loss_weights(t, 1.0), dtype=torch.float64)
        # Weights of the end, whatever the epoch, so that metrics of different epochs compare.
        metric = float((final * scaled).sum())
        improved = metric < self.standing.best
        self.standing.waited = 0 if improved else self.standing.waited + 1
        if improved or not self._kept.exists():
            if improved:  # a metric that is NaN is never an improvement
                self.standing.best = metric
            if self.processes.first:
                save_model(self._kept, self.model)
        self.rate.validated(metric)
        return self._record(metric, rmse)

    def _record(self, metric: float, rmse: list[float]) -> Row:
        row = {"epoch": float(self.standing.epoch), "step": float(self.standing.step)}
        row |= {"seconds": round(self.standing.seconds, 3), "learning_rate": self.rate.at(self.standing.step)}
        row["metric"] = metric
        for index, name in enumerate(self.names):
            label = f"{name}_per_atom" if QUANTITIES[name].per_atom else name
            row[f"train_{label}"] = (self.standing.terms[index] / max(self.standing.counts[index], 1.0)) ** 0.5
            row[f"validation_{label}"] = rmse[index]
        self.standing.terms, self.standing.counts = [0.0] * len(self.names), [0.0] * len(self.names)
        self.history.append(row)
        if self.processes.first:
            write_history(self.folder, self.history)
        return row

    def _save(self, only_after: float = 0.0) -> None:
        if not self.processes.first or time.monotonic() - self._saved < only_after:
            return
        tensors = pack(self.parameters, self.average, self.optimizers)
        state = asdict(self.standing) | {"history": self.history, "rate": self.rate.state}
        save_checkpoint(self.checkpoint, tensors, {"state": state, "data": self.model.provenance["data_hash"]})
        self._saved = time.monotonic()

    def _restore(self) -> None:
        tensors, header = load_checkpoint(self.checkpoint)
        seen = self.model.provenance["data_hash"]
        if header.get("data", seen) != seen:
            raise SpecificationError(
                "the run was begun with other training data",
                where=str(self.folder),
                remedy="choose another output folder, or give back the data it was begun with",
            )
        unpack(self.checkpoint, tensors, self.parameters, self.average, self.optimizers)
        state = header["state"]
        self.history, self.rate.state = state.pop("history"), state.pop("rate")
        self.standing = Standing(**state)


def _filled(labelled: Labelled, names: Sequence[str]) -> Labelled:
    """The same, with an empty mask for every name that the part of the data does not carry."""
    empty = torch.zeros(len(labelled.structures), dtype=torch.bool)
    return labelled._replace(masks={name: labelled.masks.get(name, empty) for name in names})
