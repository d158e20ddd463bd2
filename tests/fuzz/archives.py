"""Damage to numpy archives, HDF5 files and SQLite databases that only who knows the format can do."""

from __future__ import annotations

import io
import random
import sqlite3
import struct
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np

from fuzz.mutations import flip_bit

HEADERS = (
    *("(10000000000000,)", "(-1, 3)", "()", "(3,", "None", "'x'", "(2, 3, 4, 5)", "(1000000000, 3)", "(0, 0)"),
    *("(3.5,)", "(True,)"),
)
CELLS = (None, 0, -1, 10**12, "x", b"", b"12345678", "null")
KINDS = ("'<f8'", "'|O'", "'<U4'", "'<c16'", "'|b1'", "'<M8[s]'", "'|V8'", "'<i8'", "None", "'xx'", "[('a', '<f8')]")


def damage_array(rng: random.Random, array: np.ndarray) -> tuple[np.ndarray, str]:
    """An array of another shape or type, or with a value that no physics gives."""
    kind = rng.choice(("shape", "type", "value", "length", "scalar", "axes", "empty"))
    if kind == "shape":
        return array.reshape(-1), kind
    if kind == "type" and array.dtype.kind in "fiub":
        other = rng.choice(("float32", "int64", "complex128", "bool", "U8", "uint8", "float16"))
        with np.errstate(all="ignore"):
            return array.astype(other), f"type {other}"
    if kind == "value" and array.size and array.dtype.kind in "fiub":
        copy = array.astype(rng.choice((array.dtype, np.dtype("float64")))).copy()
        value = rng.choice((np.nan, np.inf, -1, 0, 200, 1e9, 1e300))
        with np.errstate(all="ignore"):
            copy.flat[rng.randrange(copy.size)] = np.array(value).astype(copy.dtype)
        return copy, f"value {value}"
    if kind == "length" and array.ndim:
        return array[:-1] if rng.random() < 0.5 else np.concatenate([array, array[:1]]), kind
    if kind == "scalar":
        return np.array(1.0), kind
    if kind == "axes":
        return array.T if rng.random() < 0.5 else array[None], kind
    return np.zeros(0), "empty"


def write_npy(rng: random.Random, array: np.ndarray) -> tuple[bytes, str]:
    """A .npy file of a damaged array, or with a header that does not tell the truth."""
    if rng.random() < 0.6:
        array, name = damage_array(rng, array)
        return _npy(array), name
    content = _npy(array)
    size = struct.unpack("<H", content[8:10])[0]
    header = {"descr": repr(array.dtype.str), "fortran_order": "False", "shape": str(array.shape)}
    key = rng.choice(tuple(header))
    if rng.random() < 0.2:
        del header[key]
        name = f"header without {key}"
    else:
        header[key] = rng.choice(HEADERS if key == "shape" else KINDS)
        name = f"header {key}: {header[key]}"
    text = ("{" + ", ".join(f"'{key}': {value}" for key, value in header.items()) + "}\n").encode()
    return content[:8] + struct.pack("<H", len(text)) + text + content[10 + size :], name


def damage_npz(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """An archive with an array damaged, missing, renamed, given twice, of absurd size, or in a compression unknown."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(members))
    name, body = members[at]
    kind = rng.choice(("array", "array", "array", "array", "drop", "rename", "twice", "bytes", "method"))
    if kind == "array":
        body, what = write_npy(rng, np.load(io.BytesIO(body)))
        members[at], kind = (name, body), f"{name}: {what}"
    elif kind == "drop":
        del members[at]
    elif kind == "rename":
        members[at] = (rng.choice(("x.npy", "../x.npy", "é.npy", "x")), body)
    elif kind == "twice":
        members.append(rng.choice(members))
    elif kind == "bytes":
        members[at] = (name, rng.randbytes(len(body)))
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, body in members:
            archive.writestr(name, body)
    result = target.getvalue()
    if kind == "method":
        place = result.index(b"PK\x01\x02") + 10
        result = result[:place] + struct.pack("<H", rng.choice((1, 9, 12, 14, 99))) + result[place + 2 :]
    return result, kind


def damage_store(rng: random.Random, path: Path) -> str:
    """An HDF5 file in which a data set or an attribute is damaged, missing or renamed."""
    with h5py.File(path, "r+") as file:
        owners: list = []
        file.visititems(lambda name, item: owners.append(item))
        attributes = [(owner, key) for owner in [file, *owners] for key in owner.attrs]
        if attributes and rng.random() < 0.4:
            owner, key = rng.choice(attributes)
            if rng.random() < 0.3:
                del owner.attrs[key]
                return f"drop attribute {key}"
            owner.attrs[key] = rng.choice(("x", "", "{}", "[]", "null", 1, -1, 2**40, float("nan"), np.zeros(3)))
            return f"attribute {key}"
        item = rng.choice(owners)
        name = item.name
        if not isinstance(item, h5py.Dataset) or rng.random() < 0.2:
            del file[name]
            return f"drop {name}"
        value, kind = damage_array(rng, item[()])
        if value.dtype.kind == "U":
            value = value.astype("S8")
        attrs = dict(item.attrs)
        del file[name]
        if rng.random() < 0.1:
            name = f"{name}x"
        file[name] = value
        file[name].attrs.update(attrs)
        return f"{name}: {kind}"


def damage_database(rng: random.Random, path: Path) -> str:
    """A SQLite database with a value changed by someone who can write SQL."""
    database = sqlite3.connect(path)
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    table = rng.choice(tables)
    columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
    column = rng.choice(columns)
    kind = rng.choice(("flip", "flip", "flip", "value", "value", "delete row", "drop table", "version", "rename"))
    target = f'"{table}"'
    statements = {
        "value": f'UPDATE {target} SET "{column}"=?',
        "delete row": f'DELETE FROM {target} WHERE "{column}" IS (SELECT "{column}" FROM {target} LIMIT 1)',
        "drop table": f"DROP TABLE {target}",
        "rename": f'ALTER TABLE {target} RENAME COLUMN "{column}" TO "other"',
        "version": f"PRAGMA user_version={rng.choice((0, -1, 99))}",
    }
    try:
        with database:
            if kind == "flip":
                _flip_value(rng, database, target, column)
            else:
                database.execute(statements[kind], (rng.choice(CELLS),) if kind == "value" else ())
    except sqlite3.Error as error:
        kind = f"{kind} refused by sqlite: {error}"
    database.close()
    return f"{kind} {table}.{column}"


def _flip_value(rng: random.Random, database: sqlite3.Connection, table: str, column: str) -> None:
    """Change one bit of a value, or a letter of a text."""
    rows = database.execute(f'SELECT DISTINCT "{column}" FROM {table}').fetchall()
    old = rng.choice(rows)[0] if rows else None
    new = flip_bit(rng, old) if isinstance(old, bytes) else f"{old}x" if isinstance(old, str) else 7
    database.execute(f'UPDATE {table} SET "{column}"=? WHERE "{column}" IS ?', (new, old))


def _npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()
