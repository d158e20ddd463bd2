"""Reading files of any known format as labelled structures in the package's units."""

from atnn.reading.conversion import convert, split_files
from atnn.reading.files import NO_LABELS, open_dataset, read, stream

__all__ = ["NO_LABELS", "convert", "open_dataset", "read", "split_files", "stream"]
