"""Training: one loop for all models."""

from atnn.training.config import (
    DataConfig,
    ModelConfig,
    PretrainConfig,
    RunConfig,
    TrainingConfig,
    commented_example,
    load_config,
)
from atnn.training.evaluate import Errors, QuantityErrors, evaluate, load_errors, save_errors
from atnn.training.history import read_history
from atnn.training.learner import TrainingDiverged
from atnn.training.loop import TrainingResult, train

__all__ = [
    "DataConfig",
    "Errors",
    "ModelConfig",
    "PretrainConfig",
    "QuantityErrors",
    "RunConfig",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingResult",
    "commented_example",
    "evaluate",
    "load_config",
    "load_errors",
    "read_history",
    "save_errors",
    "train",
]
