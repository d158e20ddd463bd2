"""The choice of data: which geometries are worth labelling."""

from atnn.active.sampling import sample_geometries

__all__ = ["sample_geometries"]
