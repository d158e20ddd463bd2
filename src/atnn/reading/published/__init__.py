"""Public data sets: where they are, what they hold, and how they come to this machine."""

from atnn.reading.published.fetching import Fetched, fetch
from atnn.reading.published.table import PublishedSet, SetFile, find_set, list_sets

__all__ = ["Fetched", "PublishedSet", "SetFile", "fetch", "find_set", "list_sets"]
