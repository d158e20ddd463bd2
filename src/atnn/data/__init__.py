"""Reading, storing, splitting and judging labelled structures."""

from atnn.data.dataset import Dataset, Frames, Joined, batches_of
from atnn.data.labelled import concatenate, select
from atnn.data.reading import read
from atnn.data.summary import Summary

__all__ = ["Dataset", "Frames", "Joined", "Summary", "batches_of", "concatenate", "read", "select"]
