"""Reading any known file into memory, or as a stream of labelled batches."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from atnn.data.checks import Checks
from atnn.data.dataset import Dataset, Frames, Joined, batches_of
from atnn.data.raw import Format
from atnn.data.readers import FORMATS
from atnn.data.recognition import Recogniser
from atnn.data.store import Store, is_store
from atnn.data.summary import Source, Summary
from atnn.errors import DataError
from atnn.structures import Labelled

log = logging.getLogger("atnn")
CHUNK = 512
VERIFIED_SIZE = 256 * 2**20  # bytes; larger stores would make every start of a training slow
Paths = str | os.PathLike | Sequence[str | os.PathLike]


def read(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
) -> Frames:
    """Labelled structures of one or several files, in memory.

    Keys and units are recognised or declared, logged under ``atnn`` and kept in ``summary``; nothing is guessed.

    Args:
        paths: Files (or DeePMD folders) to read one after the other.
        keys: Quantity -> key in the file, where it is not a usual one; None leaves the quantity unread.
        units: Units of the file: ``energy`` and ``length``, and any quantity that differs from what follows.
        format: Name of the format, where the file name does not tell.

    Raises:
        DataError: The file is missing, cannot be understood, states no units, or holds impossible numbers.
    """
    summary = Summary()
    return Frames(stream(paths, keys=keys, units=units, format=format, summary=summary), summary)


def open_dataset(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
) -> Dataset:
    """A store, opened lazily, several of them as one, or any other readable files in memory.

    Raises:
        DataError: As :func:`read`; a store of up to 256 MB is also compared with its hash.
    """
    listed = as_paths(paths)
    if not all(is_store(path) for path in listed):
        return read(paths, keys=keys, units=units, format=format)
    if keys or units:
        raise DataError(
            "a store has the package's own names and units; keys and units have no meaning for it",
            where=str(listed[0]),
            remedy="leave them out, or give them to atnn data convert",
        )
    stores = [Store(path) for path in listed]
    for store in stores:
        if store.path.stat().st_size < VERIFIED_SIZE:
            store.verify()
    return stores[0] if len(stores) == 1 else Joined(stores)


def stream(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    summary: Summary | None = None,
) -> Iterator[Labelled]:
    """The same as :func:`read`, a batch at a time; ``summary`` is filled on the way."""
    summary = Summary() if summary is None else summary
    checks = Checks()
    for path in as_paths(paths):
        checks.begin(str(path))
        if is_store(path):
            yield from _stream_store(path, summary, checks)
            continue
        form = find_format(path, format)
        recogniser = Recogniser(form, keys, units, str(path))
        frames = form.frames(path)
        while chunk := list(islice(frames, CHUNK)):
            labelled = recogniser.labelled(chunk)
            checks.add(labelled)
            summary.add(labelled, recogniser.sources)
            yield labelled
        if recogniser.frames == 0:
            raise DataError("holds no frames", where=str(path), remedy="check that it is the right file")
        recogniser.finish()
        summary.sources.append(str(path))
        if form.convention not in summary.notes:
            summary.notes.append(form.convention)
        for key, count in recogniser.unread.items():
            summary.unread[key] = summary.unread.get(key, 0) + count
    checks.warn(summary.sources[0] if len(summary.sources) == 1 else f"{len(summary.sources)} files")
    log.info("%s", summary.text())


def _stream_store(path: Path, summary: Summary, checks: Checks) -> Iterator[Labelled]:
    store = Store(path)
    known = store.summary
    sources = {name: Source(label.key, label.unit) for name, label in known.labels.items()}
    for labelled in batches_of(store, CHUNK):
        checks.add(labelled)
        summary.add(labelled, sources)
        yield labelled
    summary.sources.append(str(path))
    summary.notes += [note for note in known.notes if note not in summary.notes]


def as_paths(paths: Paths) -> list[Path]:
    """One path or several as a list of existing paths.

    Raises:
        DataError: A file does not exist.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    result = [Path(path) for path in listed]
    if not result:
        raise DataError("no file is given", remedy="name at least one")
    for path in result:
        if not path.exists():
            raise DataError("there is no such file", where=str(path), remedy="check the path and the current folder")
    return result


def find_format(path: Path, name: str | None = None) -> Format:
    """The format of that name, or the first that recognises the path.

    Raises:
        DataError: No format has that name or fits the path.
    """
    for form in FORMATS:
        if form.name == name or (name is None and form.recognises(path)):
            return form
    raise DataError(
        f"no format is called {name!r}" if name else "the format is not recognised",
        where=str(path),
        remedy="give format= one of " + ", ".join(form.name for form in FORMATS),
    )
