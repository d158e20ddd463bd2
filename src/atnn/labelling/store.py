"""The label store: one SQLite file in which every finished calculation is durable.

Each calculation is found by the hash of its geometry, of what is stated beside it (charge, spin, field), and of the
labeller's settings. A finished one is committed and synchronised to disk before the next is taken from the queue, so
that ``kill -9`` or a power cut costs at most what was being calculated.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from atnn.errors import AtnnWarning, LabellingError
from atnn.labelling.protocol import Labels, label_row
from atnn.quantities import Quantity
from atnn.stated import ADSORBATE
from atnn.structures import Structures

log = logging.getLogger("atnn")
_FAILURES = (sqlite3.Error, OverflowError, UnicodeDecodeError)  # of sqlite3, on damaged files
FORMAT = 2  # since 2 each calculation has a hash
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calculations (
    key TEXT PRIMARY KEY, settings TEXT NOT NULL, atoms INTEGER NOT NULL, error TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
    key TEXT NOT NULL, quantity TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (key, quantity)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashes (key TEXT PRIMARY KEY, hash TEXT NOT NULL) WITHOUT ROWID;
"""
Row = tuple[str, int, str | None]  # settings, number of atoms, error
Values = list[tuple[str, bytes]]  # quantity, its value


def hash_row(key: str, row: Row, values: Values) -> str:
    """Hash of one finished calculation."""
    digest = hashlib.blake2b(json.dumps([key, *row, [name for name, _ in sorted(values)]]).encode(), digest_size=16)
    for _, value in sorted(values):
        digest.update(len(value).to_bytes(8, "little") + value)
    return digest.hexdigest()


def task_key(structure: Structures, settings: Mapping[str, str | int | float]) -> str:
    """Hash of everything that the labels of one structure depend on."""
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    charge = 0.0 if structure.charge is None else float(structure.charge[0])
    spin = None if structure.spin is None else int(structure.spin[0])
    content = [structure.numbers.tolist(), structure.pbc[0].tolist(), charge, spin]
    # Where nobody states the others they are zero, as in stores that are older than they.
    others = {name: value[0] for name, value in structure.stated.items() if name not in ("charge", "spin")}
    if further := {name: (value + 0).tolist() for name, value in others.items() if bool((value != 0).any())}:
        content.append(further)
    if structure.adsorbate is not None and bool(structure.adsorbate.any()):
        content.append({ADSORBATE: structure.adsorbate.nonzero()[:, 0].tolist()})
    digest.update(json.dumps(content, sort_keys=True).encode())
    for values in (structure.positions, structure.cell):
        # Adding zero makes -0.0 and 0.0 the same geometry.
        digest.update((values.detach().cpu().double().numpy() + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


def _restore(value: bytes, entry: Quantity) -> np.ndarray:
    """The label of one structure from its bytes."""
    rows = () if entry.axis == "structure" else (-1,)
    return np.frombuffer(value, "<f8").reshape((*rows, *entry.shape))


class LabelStore:
    """Finished calculations on the disk, also those known to fail.

    Args:
        path: The SQLite file; made when absent, with its folder.

    Raises:
        LabellingError: The file is no label store, is damaged, or was written by a newer version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from error
        try:
            self._database = sqlite3.connect(self.path, timeout=60)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            found = self._database.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise LabellingError(
                    f"label store of format {found}, newer than {FORMAT}", where=str(path), remedy="update atnn"
                )
            self._database.executescript(_SCHEMA)
            if 0 < found < 2:
                self._seal_old()
            self._database.execute(f"PRAGMA user_version={FORMAT}")
            self._database.commit()
        except _FAILURES as error:
            raise self._failure(error) from error

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        """Number of finished calculations, failures included."""
        return self._ask("SELECT COUNT(*) FROM calculations")[0][0]

    def drop_damaged(self, keys: Iterable[str]) -> int:
        """Remove those of the given calculations that are not what was written, so that they are computed again.

        Returns:
            Their number.

        Warns:
            AtnnWarning: There are some.
        """
        finished = {key for (key,) in self._ask("SELECT key FROM calculations")}
        damaged = [key for key in keys if key in finished and not self._is_whole(key)]
        if damaged:
            with self._writing():
                for table in ("calculations", "labels", "hashes"):
                    self._database.executemany(f"DELETE FROM {table} WHERE key=?", [(key,) for key in damaged])
            text = f"{len(damaged)} calculations are not what was written, and are computed again; check the disk"
            warnings.warn(f"{self.path}: {text}", AtnnWarning, stacklevel=3)
        return len(damaged)

    def errors(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Those of the given calculations that are finished: key -> why it failed, or None for success."""
        found = dict(self._ask("SELECT key, error FROM calculations"))
        return {key: found[key] for key in keys if key in found}

    def read(self, key: str) -> Labels:
        """Labels of one finished calculation, in the package's units.

        Raises:
            LabellingError: The file is damaged, or the table of quantities lacks a row for a label.
        """
        if not self._is_whole(key):
            raise LabellingError(
                f"the calculation {key[:12]} is not what was written",
                where=str(self.path),
                remedy="label again: damaged calculations are then removed and computed anew",
            )
        return {name: _restore(value, label_row(name)) for name, value in self._values(key)}

    def _row(self, key: str) -> Row:
        found = self._ask("SELECT settings, atoms, error FROM calculations WHERE key=?", (key,))
        if not found:  # although a list of all has it
            raise self._failure(sqlite3.DatabaseError("its index is damaged"))
        return found[0]

    def _values(self, key: str) -> Values:
        return self._ask("SELECT quantity, value FROM labels WHERE key=?", (key,))

    def _is_whole(self, key: str) -> bool:
        found = self._ask("SELECT hash FROM hashes WHERE key=?", (key,))
        try:
            return bool(found) and found[0][0] == hash_row(key, self._row(key), self._values(key))
        except (TypeError, AttributeError):  # a damaged value of another type
            return False

    def _seal_old(self) -> None:
        """Give the calculations of a store of version 1 the hashes of what they are now."""
        keys = [key for (key,) in self._ask("SELECT key FROM calculations")]
        rows = [(key, hash_row(key, self._row(key), self._values(key))) for key in keys]
        self._database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?)", rows)
        log.info("%s: %d calculations of an older atnn now have hashes", self.path, len(rows))

    def _ask(self, question: str, values: tuple[str, ...] = ()) -> list[Any]:
        try:
            return self._database.execute(question, values).fetchall()
        except _FAILURES as error:
            raise self._failure(error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._database:
                yield
        except _FAILURES as error:
            raise self._failure(error) from error

    def write(
        self, key: str, settings: Mapping[str, str | int | float], atoms: int, labels: Labels, error: str | None = None
    ) -> None:
        """Keep one finished calculation; on return it is on the disk.

        Raises:
            LabellingError: The disk is full or the file was damaged.
        """
        words = json.dumps(dict(settings), sort_keys=True)
        values = [(name, np.asarray(value, dtype="<f8").tobytes()) for name, value in labels.items()]
        with self._writing():
            execute = self._database.execute
            execute("INSERT OR REPLACE INTO calculations VALUES (?, ?, ?, ?)", (key, words, atoms, error))
            rows = [(key, name, value) for name, value in values]
            self._database.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", rows)
            execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", (key, hash_row(key, (words, atoms, error), values)))

    def _failure(self, error: Exception) -> LabellingError:
        return LabellingError(
            f"label store cannot be used: {error}",
            where=str(self.path),
            remedy="free some disk space; restore a copy if the file is damaged; or give another path",
        )
