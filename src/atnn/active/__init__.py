"""The choice of data: which geometries are worth labelling."""

from atnn.active.pretraining import pretrain
from atnn.active.sampling import sample_geometries

__all__ = ["pretrain", "sample_geometries"]
