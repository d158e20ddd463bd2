"""Reading any known file into memory, or as a stream of labelled batches."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from atnn.data.checks import Checks
from atnn.data.dataset import Dataset, Frames, Joined, batches_of
from atnn.data.store import Store, is_store
from atnn.data.summary import Source, Summary
from atnn.errors import DataError, suggest
from atnn.reading.raw import Format
from atnn.reading.readers import FORMATS
from atnn.reading.recognition import Recogniser
from atnn.structures import Labelled

log = logging.getLogger("atnn")
CHUNK = 512  # frames
NO_LABELS: Mapping[str, str | None] = {"dipole": None}  # keys for geometries: no dipole whose origin must be stated
Paths = str | os.PathLike | Sequence[str | os.PathLike]


def read(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    dipole_origin: str | None = None,
) -> Frames:
    """Labelled structures of one or several files, in memory.

    Keys and units are recognised or declared; nothing is guessed. They are logged under ``atnn`` and kept in
    ``summary``.

    Args:
        paths: Files (or DeePMD folders) to read one after the other.
        keys: Quantity -> key in the file, where it is not a usual one; None leaves the quantity unread.
        units: Units of the file: ``energy`` and ``length``, and whatever does not follow from them.
        format: Name of the format, where the file name does not tell.
        dipole_origin: Point that dipoles of ions are taken about in the file: ``coordinates``, ``mass`` or
            ``nuclear_charge``. They are shifted to the origin of the coordinates.

    Raises:
        DataError: The file is missing, cannot be understood, states no units, or holds impossible numbers.
    """
    summary = Summary()
    parts = stream(paths, keys=keys, units=units, format=format, dipole_origin=dipole_origin, summary=summary)
    return Frames(parts, summary)


def open_dataset(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    dipole_origin: str | None = None,
) -> Dataset:
    """A store or several, opened lazily, or any other readable files in memory.

    Args:
        paths: Stores, which are joined, or other files, which are read.
        keys: As in :func:`read`.
        units: As in :func:`read`.
        format: As in :func:`read`.
        dipole_origin: As in :func:`read`.

    Raises:
        DataError: As for :func:`read`. A store of up to 256 MB is also compared with its hash.
    """
    found = find_paths(paths)
    if not all(_is_store(path, format) for path in found):
        return read(paths, keys=keys, units=units, format=format, dipole_origin=dipole_origin)
    if keys or units or dipole_origin:
        raise DataError(
            "a store has the package's own names and units; keys, units and dipole_origin have no meaning for it",
            where=str(found[0]),
            remedy="leave them out, or give them to atnn data convert",
        )
    stores = [Store(path) for path in found]
    return stores[0] if len(stores) == 1 else Joined(stores)


def stream(
    paths: Paths,
    *,
    keys: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    dipole_origin: str | None = None,
    summary: Summary | None = None,
) -> Iterator[Labelled]:
    """What :func:`read` gives, a batch at a time.

    Args:
        paths: As in :func:`read`.
        keys: As in :func:`read`.
        units: As in :func:`read`.
        format: As in :func:`read`.
        dipole_origin: As in :func:`read`.
        summary: Filled with what the batches contain.

    Raises:
        DataError: As for :func:`read`.
    """
    summary = Summary() if summary is None else summary
    checks = Checks()
    for path in find_paths(paths):
        checks.begin_file(str(path))
        if _is_store(path, format):
            yield from _stream_store(path, summary, checks)
        else:
            form = find_format(path, format)
            if form.find_units is not None:
                form = replace(form, units=form.find_units(path, keys or {}))
            recogniser = Recogniser(form, keys, units, str(path), dipole_origin)
            yield from _stream_file(path, recogniser, summary, checks)
    checks.warn(summary.sources[0] if len(summary.sources) == 1 else f"{len(summary.sources)} files")
    log.info("%s", summary.text())


def _stream_file(path: Path, recogniser: Recogniser, summary: Summary, checks: Checks) -> Iterator[Labelled]:
    form = recogniser.form
    frames = form.frames(path)
    while chunk := list(islice(frames, CHUNK)):
        labelled = recogniser.recognise(chunk)
        checks.add(labelled)
        summary.add(labelled, recogniser.sources)
        yield labelled
    if recogniser.frames == 0:
        raise DataError("holds no frames", where=str(path), remedy="check that it is the right file")
    recogniser.finish()
    summary.sources.append(str(path))
    if form.convention not in summary.notes:
        summary.notes.append(form.convention)
    for key, count in recogniser.keys.unread.items():
        summary.unread[key] = summary.unread.get(key, 0) + count


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


def _is_store(path: Path, format: str | None) -> bool:
    """Whether a path is a store, and no HDF5 of a format in the table, of which the last takes any path."""
    return format is None and is_store(path) and not any(form.recognises(path) for form in FORMATS[:-1])


def find_paths(paths: Paths) -> list[Path]:
    """One path or several as a list.

    Raises:
        DataError: No path is given, or a file does not exist.
    """
    result = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not result:
        raise DataError("no file is given", remedy="name at least one")
    for path in result:
        try:
            path.stat()
        except (OSError, ValueError) as error:  # a name may also be too long, or hold a zero
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else f"no file ({error})"
            raise DataError(reason, where=str(path), remedy="check the path and the current folder") from error
        if not os.access(path, os.R_OK):
            raise DataError("may not be read", where=str(path), remedy="ask its owner for permission")
    return result


def find_format(path: Path, name: str | None = None) -> Format:
    """The format of that name, or without a name the first that recognises the path.

    Raises:
        DataError: No format has that name or fits the path.
    """
    for form in FORMATS:
        if form.name == name or (name is None and form.recognises(path)):
            return form
    known = [form.name for form in FORMATS]
    raise DataError(
        f"no format is called {name!r}" if name else "the format is not recognised",
        where=str(path),
        remedy=(suggest(name, known) if name else "") + "give format= one of " + ", ".join(known),
    )
