"""A public set on this machine: what is there already, from the network, or from a local copy."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

from atnn.documents import parse_json, read_text
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.locks import hold
from atnn.reading.published.checksums import check, compute_checksum
from atnn.reading.published.download import Unreachable, download
from atnn.reading.published.table import PublishedSet, SetFile, find_set
from atnn.reading.published.unpacking import unpack

log = logging.getLogger("atnn")
RECORD = "record.json"  # beside the files of a set


class Fetched(NamedTuple):
    """A set on this machine.

    Attributes:
        name: Name of the set.
        paths: Its files; of archives, what they unpack to.
        complete: False where these are a part of the set.
        checksums: File -> SHA-256 of each file that was fetched.
        unknown: Files whose checksum nobody has published; that of the first fetch is recorded.
    """

    name: str
    paths: list[Path]
    complete: bool
    checksums: dict[str, str]
    unknown: list[str]


def fetch(name: str, folder: str | os.PathLike = "data") -> Fetched:
    """Get a public set into ``folder/name``, or use the copy or the part of it below ``ATNN_DATA``.

    A file that is there is checked and not fetched again. One at ``ATNN_DATA/name`` is checked and linked. Others are
    downloaded, and where there is no network, a part of the set below ``ATNN_DATA`` stands for it.

    Args:
        name: Name of the set, see :func:`atnn.reading.published.list_sets`.
        folder: Where sets are.

    Raises:
        DataError: There is no such set, neither a network nor a local copy, or a file has another checksum than the
            known one.
    """
    chosen = find_set(name)
    target = Path(folder) / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot be made ({error.strerror})", where=str(target), remedy="choose another folder with --folder"
        ) from error
    with hold(target, f"the set {name}"):
        try:
            return _fetch_all(chosen, target)
        except Unreachable as error:
            found = _find_part(chosen)
            if not found:
                raise
            log.warning("%s: %s; a part of the set stands for it", name, error.what)
            return Fetched(name, found, False, {}, [])


def find_local(file: str, folder: str = "") -> Path | None:
    """A file below ``ATNN_DATA``, None where there is none."""
    root = os.environ.get("ATNN_DATA")
    path = Path(root, folder, file) if root else None
    return path if path is not None and path.is_file() else None


def _fetch_all(chosen: PublishedSet, folder: Path) -> Fetched:
    record = _read_record(folder)
    paths, checksums = [], {}
    for file in chosen.files:
        path = _fetch_file(file, folder, chosen.name, record)
        checksums[file.name] = f"sha256:{compute_checksum(path, 'sha256')}"
        own = _unpack(path, record.get(file.name, {})) if file.archive else [path]
        entry = {"checksum": checksums[file.name], "url": file.url, "members": [item.name for item in own]}
        record = record | {file.name: entry}
        write_atomically(folder / RECORD, json.dumps(record, indent=1) + "\n")
        paths += own
    return Fetched(chosen.name, paths, True, checksums, [file.name for file in chosen.files if not file.checksum])


def _fetch_file(file: SetFile, folder: Path, name: str, record: dict) -> Path:
    """The file, checked against the known checksum, or against that of the first time."""
    target = folder / file.name
    known = file.checksum or record.get(file.name, {}).get("checksum", "")
    local = find_local(file.name, name)
    remedy = "remove it and get the set again"
    if target.is_file():
        if known:
            check(target, known, remedy)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    if local is not None:
        if known:
            check(local, known, f"remove it from {local.parent}, or copy it there again")
        target.unlink(missing_ok=True)  # a link that leads nowhere
        target.symlink_to(local.resolve())
        log.info("%s: linked to %s", target, local)
        return target
    download(file._replace(checksum=known), target)
    return target


def _unpack(path: Path, entry: dict) -> list[Path]:
    """What an archive unpacks to; what its entry in the record names and is there is not unpacked again."""
    members = [path.with_name(name) for name in entry.get("members", ())]
    return members if members and all(member.exists() for member in members) else unpack(path)


def _read_record(folder: Path) -> dict:
    path = folder / RECORD
    return parse_json(read_text(path), str(path)) if path.exists() else {}


def _find_part(chosen: PublishedSet) -> list[Path]:
    found = [find_local(file) for file in chosen.part]
    return [path for path in found if path is not None]
