"""The label store: one SQLite file in which every finished calculation is durable.

Each calculation is found by the hash of its geometry, of what is stated beside it (charge, spin, field), and of the
labeller's settings. A finished one is committed and synchronised to disk before the next is taken from the queue, so
that ``kill -9`` or a power cut costs at most what was being calculated.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labels, label_shape
from atnn.structures import Structures

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calculations (
    key TEXT PRIMARY KEY, settings TEXT NOT NULL, atoms INTEGER NOT NULL, error TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
    key TEXT NOT NULL, quantity TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (key, quantity)
) WITHOUT ROWID;
"""


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
    digest.update(json.dumps(content, sort_keys=True).encode())
    for values in (structure.positions, structure.cell):
        # Adding zero makes -0.0 and 0.0 the same geometry.
        digest.update((values.detach().cpu().double().numpy() + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


class LabelStore:
    """Finished calculations on the disk, also those known to fail.

    Args:
        path: The SQLite file; made when absent, with its folder.

    Raises:
        LabellingError: The file is no label store, is damaged, or was written by a newer version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
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
            self._database.execute(f"PRAGMA user_version={FORMAT}")
            self._database.commit()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        """Number of finished calculations, failures included."""
        return self._database.execute("SELECT COUNT(*) FROM calculations").fetchone()[0]

    def errors(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Those of the given calculations that are finished: key -> why it failed, or None for success."""
        found = dict(self._database.execute("SELECT key, error FROM calculations"))
        return {key: found[key] for key in keys if key in found}

    def read(self, key: str) -> Labels:
        """Labels of one finished calculation, in the package's units.

        Raises:
            LabellingError: The file is damaged, or the table of quantities lacks a row for a label.
        """
        try:
            atoms = self._database.execute("SELECT atoms FROM calculations WHERE key=?", (key,)).fetchone()[0]
            rows = self._database.execute("SELECT quantity, value FROM labels WHERE key=?", (key,)).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return {name: np.frombuffer(value, dtype="<f8").reshape(label_shape(name, atoms)) for name, value in rows}

    def write(
        self, key: str, settings: Mapping[str, str | int | float], atoms: int, labels: Labels, error: str | None = None
    ) -> None:
        """Keep one finished calculation; on return it is on the disk.

        Raises:
            LabellingError: The disk is full or the file was damaged.
        """
        rows = [(key, name, np.asarray(value, dtype="<f8").tobytes()) for name, value in labels.items()]
        try:
            with self._database:
                self._database.execute(
                    "INSERT OR REPLACE INTO calculations VALUES (?, ?, ?, ?)",
                    (key, json.dumps(dict(settings), sort_keys=True), atoms, error),
                )
                self._database.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", rows)
        except sqlite3.Error as failure:
            raise self._failure(failure) from failure

    def _failure(self, error: sqlite3.Error) -> LabellingError:
        return LabellingError(
            f"label store cannot be used: {error}",
            where=str(self.path),
            remedy="free some disk space, or give another path if this file is no label store",
        )
