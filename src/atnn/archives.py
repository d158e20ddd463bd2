"""Archives are safetensors with a JSON header, in which every tensor and the header itself carry a hash.

The hash of a tensor is checked when that tensor is read, so that a file that is read in part is checked in part.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from atnn.documents import parse_json
from atnn.errors import AtnnError, DataError, unreadable

_FAILURES = (OSError, SafetensorError, KeyError, ValueError, RuntimeError)  # of safetensors, on damaged files


def encode(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """Make the content of an archive.

    Args:
        header: JSON values, among them ``format`` and ``version``.
        tensors: Any tensors, on any device.
    """
    # clone: safetensors refuses tensors that share memory
    arrays = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    words = json.dumps(dict(header))
    hashes = json.dumps({name: hash_tensor(array) for name, array in sorted(arrays.items())})
    # One entry: safetensors writes several in any order, and equal content shall be equal bytes.
    return save(arrays, metadata={"atnn": "\n".join([words, hashes, _seal(words, hashes)])})


def hash_tensor(tensor: Tensor) -> str:
    """Hash of the type, the shape and the values of a tensor."""
    array = tensor.detach().cpu().contiguous()
    digest = hashlib.blake2b(f"{array.dtype} {tuple(array.shape)} ".encode(), digest_size=16)
    if array.numel():
        digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_file(path: str | os.PathLike) -> str:
    """Hash of the bytes of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


class Archive:
    """An open archive, whose tensors are read one by one.

    Args:
        path: The file.
        format: What its header must say.
        newest: Newest version that can be read.
        sealed: First version whose files carry hashes; older ones are read without.
        error: Class of the errors.
        remedy: What to do about a file that cannot be read.
        headless: Whether files without any header, which are older than the format, are read without checks.

    Attributes:
        header: The JSON header.
        names: Names of the tensors.
        seal: Hash of the header and of all tensors; empty where the file is older than hashes.

    Raises:
        AtnnError: Of the given class: the file is missing, damaged, of another format or newer.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        format: str,
        newest: int,
        sealed: int = 1,
        error: type[AtnnError] = DataError,
        remedy: str = "restore an intact copy",
        headless: bool = False,
    ):
        self.path, self._error, self._remedy = Path(path), error, remedy
        if not self.path.is_file():
            raise error("there is no such file", where=str(path), remedy=remedy)
        try:
            self._file = safe_open(self.path, framework="pt")
            metadata = self._file.metadata() or {}
            self.names = tuple(self._file.keys())
        except _FAILURES as problem:
            raise self.damaged(problem) from problem
        words, _, rest = metadata.get("atnn", "{}").partition("\n")
        hashes, _, self.seal = rest.partition("\n")
        try:
            self.header = parse_json(words, str(path))
            self._hashes = parse_json(hashes, str(path)) if rest else None
        except DataError as problem:
            raise self.damaged(problem.what) from problem
        if rest and self.seal != _seal(words, hashes):
            raise self.damaged("the header is not what was written")
        self._checked: set[str] = set()
        if not headless or metadata:
            self._check(metadata, format, newest, sealed)

    def __getitem__(self, name: str) -> Tensor:
        """Read a tensor and check its hash.

        Raises:
            AtnnError: Of the class given at opening: there is no such tensor, or it has changed since it was written.
        """
        try:
            tensor = self._file.get_tensor(name)
        except _FAILURES as problem:
            raise self.damaged(problem) from problem
        if self._hashes is not None and hash_tensor(tensor) != self._hashes[name]:
            raise self.damaged(f"{name} is not what was written")
        self._checked.add(name)
        return tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Read some rows of a tensor, which is read whole and checked the first time.

        Raises:
            AtnnError: Of the class given at opening: there is no such tensor, or it has changed since it was written.
        """
        if name not in self._checked:
            return self[name][start:stop]
        try:
            return self._file.get_slice(name)[start:stop]
        except _FAILURES as problem:
            raise self.damaged(problem) from problem

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor that is not read."""
        try:
            return tuple(self._file.get_slice(name).get_shape())
        except _FAILURES as problem:
            raise self.damaged(problem) from problem

    def tensors(self) -> dict[str, Tensor]:
        """Read all tensors.

        Raises:
            AtnnError: Of the class given at opening: one has changed since it was written.
        """
        return {name: self[name] for name in self.names}

    def damaged(self, problem: object) -> AtnnError:
        """The error for a file that is damaged."""
        return self._error(f"truncated or corrupted: {problem}", where=str(self.path), remedy=self._remedy)

    def _check(self, metadata: Mapping[str, str], format: str, newest: int, sealed: int) -> None:
        if self.header.get("format") != format:
            raise self._error(f"not a file of the kind {format}", where=str(self.path), remedy=self._remedy)
        version = self.header.get("version")
        if type(version) is not int or version < 1:
            raise self.damaged(f"version {version!r} is no version")
        if version > newest:
            raise self._error(
                f"version {version} of the format is newer than {newest}, the newest that this atnn can read",
                where=str(self.path),
                remedy="update atnn",
            )
        if self._hashes is None and version >= sealed:
            raise self.damaged("the header is not what was written")
        if self._hashes is not None and set(self.names) != set(self._hashes):
            raise self.damaged("the tensors are not those that were written")


def _seal(words: str, hashes: str) -> str:
    return hashlib.blake2b(f"{words}\n{hashes}".encode(), digest_size=16).hexdigest()
