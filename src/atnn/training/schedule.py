"""Schedules of the learning rate and of the loss weights."""

from __future__ import annotations

import math
from typing import Any

from atnn.training.config import TrainingConfig


class LearningRate:
    """Linear warm-up, then cosine decay over the run or halving whenever the validation stops improving.

    Args:
        config: Rates, schedule and patience.
        steps: Number of steps of the whole run.
    """

    def __init__(self, config: TrainingConfig, steps: int):
        self.config, self.steps = config, max(1, steps)
        self.state: dict[str, Any] = {"factor": 1.0, "best": math.inf, "waited": 0}

    def at(self, step: int) -> float:
        """Compute the learning rate of a step."""
        c = self.config
        warm = min(1.0, (step + 1) / (c.warmup + 1))
        if c.schedule == "plateau":
            return warm * max(c.final_learning_rate, c.learning_rate * self.state["factor"])
        progress = min(1.0, step / self.steps)
        span = c.learning_rate - c.final_learning_rate
        return warm * (c.final_learning_rate + 0.5 * span * (1 + math.cos(math.pi * progress)))

    def record_validation(self, metric: float) -> None:
        """Record the metric of a validation; the plateau schedule halves the rate if it no longer improves."""
        if metric < self.state["best"]:
            self.state |= {"best": metric, "waited": 0}
            return
        self.state["waited"] += 1
        if self.state["waited"] >= self.config.patience:
            self.state |= {"factor": 0.5 * self.state["factor"], "waited": 0}

    @property
    def exhausted(self) -> bool:
        """Whether the plateau schedule has reached the final learning rate."""
        c = self.config
        return c.schedule == "plateau" and c.learning_rate * self.state["factor"] < c.final_learning_rate


def loss_weights(config: TrainingConfig, progress: float) -> list[float]:
    """Interpolate the weight of each quantity from its first to its last value.

    The interpolation is geometric, or linear if one of the two is zero.

    Args:
        config: Holds the weights.
        progress: Fraction of the run that is done, 0 to 1.
    """
    weights = []
    for weight in config.weights.values():
        first, last = weight if isinstance(weight, tuple) else (weight, weight)
        geometric = first > 0 and last > 0
        weights.append(first * (last / first) ** progress if geometric else first + (last - first) * progress)
    return weights
