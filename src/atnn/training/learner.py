"""The weights of a run while they are trained: steps, the running average, and checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from atnn.errors import AtnnError, ModelFileError
from atnn.model import Model
from atnn.training.checkpoint import load_checkpoint, pack, save_checkpoint, unpack
from atnn.training.config import RunConfig
from atnn.training.distributed import Processes
from atnn.training.folder import CHECKPOINT
from atnn.training.history import Row
from atnn.training.optimizer import build_optimizers
from atnn.training.provenance import refuse_other_data
from atnn.training.schedule import LearningRate, loss_weights
from atnn.training.step import Batch, Step

log = logging.getLogger("atnn")
TOLERATED = 10  # consecutive steps whose gradient is not finite


class _State(BaseModel, extra="forbid", strict=True):
    """What the header of a checkpoint says of a run: :class:`Standing`, learning curves, learning rate."""

    terms: list[float]
    counts: list[float]
    epoch: int = Field(ge=0)
    position: int = Field(ge=0)
    step: int = Field(ge=0)
    seconds: float
    best: float
    waited: int
    skipped: int
    history: list[dict[str, int | float]]
    rate: dict[str, int | float]


class TrainingDiverged(AtnnError):
    """The gradient stayed NaN or infinite; the last checkpoint was written before."""


@dataclass
class Standing:
    """How far a run has come.

    Attributes:
        terms: Sum of the squared training errors of each quantity since the last validation.
        counts: Number of labelled values in each of these sums.
        epoch: Number of finished epochs.
        position: Number of steps done in the present epoch.
        step: Number of steps done in all.
        seconds: Time spent in steps.
        best: Smallest validation metric.
        waited: Number of validations since then.
        skipped: Number of consecutive steps whose gradient was not finite.
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


class Learner:
    """The weights of a run, their running average, and the optimizers that change them.

    Args:
        config: The run.
        folder: Its output folder; a checkpoint found there is restored.
        model: The model to train, on its device and with its provenance.
        spreads: Quantity in the loss -> spread of its training labels.
        steps: Number of steps of the whole run.
        processes: The processes of the run.
    """

    def __init__(
        self, config: RunConfig, folder: Path, model: Model, spreads: dict[str, float], steps: int, processes: Processes
    ):
        self.config, self.model, self.processes = config.training, model, processes
        self.names = list(spreads)
        how = self.config.loss, self.config.compile, self.config.dipole_modulo
        self.step = Step(model, self.names, list(spreads.values()), *how)
        self.parameters: list[Tensor] = list(model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = build_optimizers(self.config, model)
        self.rate = LearningRate(self.config, steps)
        self.standing = Standing([0.0] * len(self.names), [0.0] * len(self.names))
        self.history: list[Row] = []
        self.folder, self.checkpoint = folder, folder / CHECKPOINT
        if self.checkpoint.exists():
            self._restore()
        self.saved = time.monotonic()

    def update(self, batch: Batch | None, number: Tensor) -> None:
        """Take one step.

        Args:
            batch: This process's share of the batch; None if it is empty.
            number: Number of labelled values of each quantity in the whole batch.

        Raises:
            TrainingDiverged: The gradient was not finite in too many consecutive steps.
        """
        progress = min(1.0, self.standing.step / self.rate.steps)
        weights = torch.tensor(loss_weights(self.config, progress), dtype=torch.float64)
        squares, gradients = self._differentiate(batch, weights / number.clamp(min=1.0))
        self.processes.add([squares, *gradients])
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        finite = bool(torch.isfinite(norm))
        self._count_skipped(finite)
        if finite:
            self._move_weights()
            for index, (square, count) in enumerate(zip(squares.tolist(), number.tolist(), strict=True)):
                self.standing.terms[index] += square
                self.standing.counts[index] += count
        self.standing.step += 1

    def _differentiate(self, batch: Batch | None, factors: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Squared errors and gradients of this process's share; zero if it is empty."""
        if batch is None:
            squares = torch.zeros(len(self.names), dtype=self.model.dtype, device=self.model.device)
            return squares, tuple(torch.zeros_like(p) for p in self.parameters)
        _, squares, gradients = self.step(batch, factors)
        return squares.clone(), gradients

    def _move_weights(self) -> None:
        """Let the optimizers change the weights, and let their average follow."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate.at(self.standing.step)
            optimizer.step()
        decay = min(self.config.ema, (1 + self.standing.step) / (10 + self.standing.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)

    def _count_skipped(self, finite: bool) -> None:
        if finite:
            self.standing.skipped = 0
            return
        self.standing.skipped += 1
        log.warning("step %d skipped: the gradient is not finite", self.standing.step)
        if self.standing.skipped >= TOLERATED:
            raise TrainingDiverged(
                f"the gradient was NaN or infinite in {TOLERATED} steps in a row",
                where=f"{self.folder}, step {self.standing.step}",
                remedy="lower training.learning_rate, and look for outliers with `atnn data inspect`; "
                "the last checkpoint was written before these steps",
            )

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Give the model its averaged weights for the duration of the context."""
        current = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, current)

    def save(self, only_after: float = 0.0) -> None:
        """Write a checkpoint, unless the last one is younger than ``only_after`` [s]."""
        if not self.processes.first or time.monotonic() - self.saved < only_after:
            return
        tensors = pack(self.parameters, self.average, self.optimizers)
        state = asdict(self.standing) | {"history": self.history, "rate": self.rate.state}
        hashes = {"data": self.model.provenance["data_hash"], "other_data": self.model.provenance["other_data_hashes"]}
        save_checkpoint(self.checkpoint, tensors, {"state": state, **hashes})
        self.saved = time.monotonic()

    def _restore(self) -> None:
        tensors, header = load_checkpoint(self.checkpoint)
        refuse_other_data(header, self.model.provenance, self.folder)
        unpack(self.checkpoint, tensors, self.parameters, self.average, self.optimizers)
        try:
            state = _State.model_validate(header.get("state"))
        except ValidationError as error:
            raise self._damaged(f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
        rows = {tuple(row) for row in state.history}
        if len(rows) > 1 or len(state.terms) != len(self.names) or len(state.counts) != len(self.names):
            raise self._damaged("the quantities are not those of the run")
        if state.rate.keys() != self.rate.state.keys():
            raise self._damaged("the learning rate is missing")
        self.history, self.rate.state = state.history, dict(state.rate)
        self.standing = Standing(**state.model_dump(exclude={"history", "rate"}))

    def _damaged(self, reason: str) -> ModelFileError:
        return ModelFileError(
            f"truncated or corrupted: the state of the run is not complete ({reason})",
            where=str(self.checkpoint),
            remedy=f"remove {self.checkpoint.name} to restart the training, or restore an intact copy",
        )
