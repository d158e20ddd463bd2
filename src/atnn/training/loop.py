"""The training loop: one for all models, for one process or many, resumable at any moment."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from atnn.data import Dataset
from atnn.model import Model, load_model, save_model
from atnn.progress import LOG, Progress, record
from atnn.quantities import QUANTITIES
from atnn.training.config import ModelConfig, RunConfig
from atnn.training.continued import open_start
from atnn.training.distributed import Processes
from atnn.training.evaluate import Errors, evaluate, save_errors
from atnn.training.feed import Feed
from atnn.training.folder import CHECKPOINT, MODEL, claim_folder, hold_folder
from atnn.training.history import Board, Row, describe_validation, write_history
from atnn.training.initial import initial_model
from atnn.training.learner import Learner
from atnn.training.plan import Plan
from atnn.training.provenance import describe_training
from atnn.training.schedule import loss_weights
from atnn.training.sets import Sets, open_sets
from atnn.training.validation import validation_errors

log = logging.getLogger("atnn")


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        model: The averaged weights with the best validation metric.
        history: One row per validation.
        errors: Errors on the ``validation`` data and, if there are any, the ``test`` data.
        folder: The output folder.
        finished: False if ``max_minutes`` ended the run early; running it again continues it.
    """

    model: Model
    history: list[Row]
    errors: dict[str, Errors]
    folder: Path
    finished: bool


def train(
    config: RunConfig, datasets: Mapping[str, Dataset] | None = None, start: Model | None = None
) -> TrainingResult:
    """Train a model, or continue an earlier run in the same folder that was stopped or killed.

    Writes ``model.atnn`` (the best so far, from the first validation on), ``history.csv``, ``checkpoint.safetensors``,
    ``split.json``, ``config.json`` and the predictions on the held-out data.

    Args:
        config: The run.
        datasets: Data sets ``train``, ``validation``, ``test`` to use instead of the files of the configuration.
        start: A model to continue from, for instance one that was trained on many cheap labels, instead of the file
            that the configuration names. It must be the model that the configuration describes, if it describes one.
            It is not changed.

    Raises:
        DataError: The data cannot be used.
        InUseError: Another process trains in the folder.
        ModelFileError: The model to continue from cannot be loaded.
        SpecificationError: The configuration cannot work, or the folder holds another run.
        TrainingDiverged: The gradient stayed NaN or infinite.
    """
    config, start = open_start(config, start)
    processes = Processes()
    with hold_folder(config) if processes.first else nullcontext():
        return _train(config, processes, datasets, start)


def _find_element(model: ModelConfig) -> list[int]:
    """Find an element that all parts of a model know."""
    basis = model.basis.elements if model.basis else ()
    named = [set(elements) for elements in (basis, model.representation.elements) if elements]
    return sorted(set.intersection(*named))[:1] if named else [1]


def _train(
    config: RunConfig, processes: Processes, datasets: Mapping[str, Dataset] | None, start: Model | None
) -> TrainingResult:
    folder = Path(config.output)
    # Fails before the data are read if parts do not fit each other.
    Model(config.model.specification(_find_element(config.model)))
    if processes.first:
        claim_folder(config)
        # A split without a checkpoint belongs to a run that never began, perhaps with other parts.
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
                errors[name] = evaluate(model, part, where=f"{name} data", dipole_modulo=config.training.dipole_modulo)
                save_errors(folder / f"errors_{name}.safetensors", errors[name])
    return TrainingResult(model, trainer.learner.history, errors, folder, finished)


class Trainer:
    """Epochs and validations of a run; use :func:`train`."""

    def __init__(self, config: RunConfig, folder: Path, sets: Sets, processes: Processes, start: Model | None = None):
        self.config, self.folder, self.sets, self.processes = config.training, folder, sets, processes
        self.model, spreads = initial_model(config, sets, start)
        self.spreads = {name: spreads[name] for name in self.config.weights}
        if processes.device is not None:
            self.model.to(processes.device)
        self.model.provenance = describe_training(config, sets, self.model.reference_energies, start)
        self.plan = Plan(self.config, sets.train, config.seed_of("order"))
        steps = self.config.epochs * len(self.plan(0))
        self.learner = Learner(config, folder, self.model, self.spreads, steps, processes)
        self._kept = folder / MODEL
        self._started = time.monotonic()

    def run(self) -> bool:
        """Train for the remaining epochs; False if time ran out first."""
        with record(self.folder / LOG if self.processes.first else None):
            self._announce()
            return self._run_epochs()

    def _run_epochs(self) -> bool:
        t, standing = self.config, self.learner.standing
        board = Board(self.folder, standing.epoch) if self.processes.first else None
        feed = Feed(self.model, self.sets.train, list(self.spreads), self.processes)
        progress = Progress("training", t.epochs, done=standing.epoch, unit="epoch", visible=self.processes.first)
        with progress, feed:
            while standing.epoch < t.epochs and not self._is_done():
                if not self._train_epoch(feed):
                    self._interrupt()
                    return False
                standing.epoch += 1
                errors = None
                if standing.epoch % t.validate_every == 0 or standing.epoch == t.epochs:
                    row = self._validate()
                    if board is not None:
                        board.add(row)
                    errors = describe_validation(row)
                progress.advance(errors)
                self.learner.save(only_after=t.checkpoint_seconds)
        if board is not None:
            board.close()
        self.learner.save()
        return True

    def _announce(self) -> None:
        if not self.processes.first:
            return
        log.info("training data:\n%s", self.sets.train.summary.text())
        sizes = ", ".join(f"{len(part)} {name}" for name, part in self.sets._asdict().items() if part is not None)
        count = sum(p.numel() for p in self.learner.parameters)
        log.info("%s structures; %d parameters; %d process(es)", sizes, count, self.processes.count)
        standing = self.learner.standing
        if standing.step:
            log.info("resumed at epoch %d, step %d", standing.epoch, standing.step)

    def _is_done(self) -> bool:
        stop = self.config.early_stopping
        return self.learner.rate.exhausted or (stop is not None and self.learner.standing.waited >= stop)

    def _interrupt(self) -> None:
        """Keep what a run that ran out of time has reached; it may not have been validated yet."""
        self.learner.save()
        if self.processes.first and not self._kept.exists():
            with self.learner.averaged_weights():
                save_model(self._kept, self.model)

    def _train_epoch(self, feed: Feed) -> bool:
        """Take the remaining steps of the present epoch; False if time is up."""
        t, standing = self.config, self.learner.standing
        started = time.monotonic()
        for batch, number in feed.batches(self.plan(standing.epoch)[standing.position :], standing.step):
            self.learner.update(batch, number)
            standing.position += 1
            out_of_time = t.max_minutes is not None and time.monotonic() - self._started > 60 * t.max_minutes
            if self.processes.agree(out_of_time):
                standing.seconds += time.monotonic() - started
                return False
            if time.monotonic() - self.learner.saved > max(t.checkpoint_seconds, 1e-9):
                standing.seconds += time.monotonic() - started
                started = time.monotonic()
                self.learner.save()
        standing.seconds += time.monotonic() - started
        standing.position = 0
        return True

    def _validate(self) -> Row:
        """Validate the averaged weights, and keep them if they are the best so far."""
        t, standing = self.config, self.learner.standing
        size = max(1, min(64, 4 * t.batch_size))
        with self.learner.averaged_weights():
            scaled, rmse = validation_errors(
                self.model, self.sets.validation, self.spreads, t.loss, size, self.processes, t.dipole_modulo
            )
            # The last loss weights, used at every epoch, make the metrics of different epochs comparable.
            metric = float((torch.tensor(loss_weights(t, 1.0), dtype=torch.float64) * scaled).sum())
            improved = metric < standing.best  # False if the metric is NaN
            standing.waited = 0 if improved else standing.waited + 1
            if improved:
                standing.best = metric
            if self.processes.first and (improved or not self._kept.exists()):
                self.model.provenance["validation_errors"] = self._name_errors(rmse)
                save_model(self._kept, self.model)
        self.learner.rate.record_validation(metric)
        return self._record(metric, rmse)

    def _name_errors(self, rmse: list[float]) -> dict[str, float]:
        """Root-mean-square errors in the units of the table, by quantity; those of energies are per atom."""
        names = [f"{name}_per_atom" if QUANTITIES[name].per_atom else name for name in self.spreads]
        return {name: error for name, error in zip(names, rmse, strict=True) if math.isfinite(error)}

    def _record(self, metric: float, rmse: list[float]) -> Row:
        standing = self.learner.standing
        row = {"epoch": float(standing.epoch), "step": float(standing.step)}
        row |= {"seconds": round(standing.seconds, 3), "learning_rate": self.learner.rate.at(standing.step)}
        row["metric"] = metric
        for index, name in enumerate(self.spreads):
            label = f"{name}_per_atom" if QUANTITIES[name].per_atom else name
            row[f"train_{label}"] = (standing.terms[index] / max(standing.counts[index], 1.0)) ** 0.5
            row[f"validation_{label}"] = rmse[index]
        standing.terms, standing.counts = [0.0] * len(self.spreads), [0.0] * len(self.spreads)
        self.learner.history.append(row)
        if self.processes.first:
            write_history(self.folder, self.learner.history)
        return row
