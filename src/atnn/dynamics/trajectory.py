"""Trajectory folders: safe against ``kill -9`` at any moment, resumable bit by bit, read lazily.

``name/header.json``               format, version, units, how the run was made
``name/start.safetensors``         what does not change: numbers, cell, masses, ...
``name/chunk-000000.safetensors``  frames, and the full state after the last of them with the random generator's

Every file is written to a temporary name and renamed, so that a folder holds whole chunks or none; leftovers
of temporary files are ignored. Frames hold positions and velocities in float32, which is enough to look at and
to analyse; the state to resume from is kept in full precision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.io import write as ase_write
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from atnn.dynamics.state import State
from atnn.errors import DataError
from atnn.files import write_atomically
from atnn.structures import Structures

FORMAT = "atnn-trajectory"
VERSION = 1
UNITS = {
    "positions": "Angstrom",
    "velocities": "Angstrom/fs",
    "masses": "amu",
    "times": "fs",
    "potential": "eV",
    "kinetic": "eV",
    "dipole": "e*Angstrom",
    "charges": "e",
}
_STATIC = ("numbers", "cell", "pbc", "batch", "charge", "spin", "field")
_CHUNK = re.compile(r"chunk-(\d{6})\.safetensors")


class TrajectoryWriter:
    """Collects frames and writes them chunk by chunk.

    Args:
        path: Folder of the trajectory; made when it does not exist.
        start: The state that the run starts from; identifies the run when it is resumed.
        settings: JSON-able description of the run (integrator, outputs, frame distance).
        chunk: Frames in one file; at most so many are lost when the process is killed.

    Raises:
        DataError: The folder holds a trajectory of another run, or cannot be written.
    """

    def __init__(self, path: str | Path, start: State, settings: dict[str, Any], chunk: int = 100):
        self.path, self.chunk = Path(path), chunk
        self._frames: list[dict[str, Tensor]] = []
        self._last: dict[str, Tensor] = {}
        self._index = 0
        header = {
            "format": FORMAT,
            "version": VERSION,
            "units": UNITS,
            "chunk": chunk,
            "start": _fingerprint(start),
            **settings,
        }
        if (self.path / "header.json").exists():
            self._recognise(header)
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            static = {name: getattr(start.structures, name) for name in _STATIC}
            static |= {"masses": start.masses, "degrees": start.degrees, "free": start.free}
            write_atomically(self.path / "start.safetensors", save(_on_cpu(static)))
            write_atomically(self.path / "header.json", json.dumps(header, indent=1) + "\n")

    def resume(self, state: State, generator: torch.Generator | None) -> State | None:
        """The state after the last full chunk, the generator set to what it was then; None without a chunk.

        A last chunk that an interrupt left half full is computed again and overwritten: only then does the
        resumed run repeat the undisturbed one in every bit.
        """
        written = Trajectory(self.path)
        self._index = sum(1 for count in written.chunk_lengths if count == self.chunk)
        return None if self._index == 0 else written.checkpoint(state, generator, self._index - 1)

    @property
    def written(self) -> int:
        """Frames in full chunks on the disk."""
        return self._index * self.chunk

    def append(self, state: State, generator: torch.Generator | None) -> bool:
        """Add a frame; returns whether this completed a chunk and put it on the disk.

        Raises:
            DataError: The disk is full; earlier chunks are intact.
        """
        self._frames.append(_on_cpu(frame_of(state)))
        checkpoint: dict[str, Tensor | None] = {
            "positions": state.structures.positions,
            "velocities": state.velocities,
            "step": torch.tensor(state.step),
            "time": torch.tensor(state.time, dtype=torch.float64),
            "generator": None if generator is None else generator.get_state(),
            **{f"results.{name}": value for name, value in state.results.items()},
        }
        self._last = {f"checkpoint.{name}": value for name, value in _on_cpu(checkpoint).items()}
        if len(self._frames) < self.chunk:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Put the frames collected so far on the disk.

        Raises:
            DataError: The disk is full; earlier chunks are intact.
        """
        if not self._frames:
            return
        stacked = {name: torch.stack([frame[name] for frame in self._frames]) for name in self._frames[0]}
        content = save({**stacked, **self._last})
        write_atomically(self.path / f"chunk-{self._index:06d}.safetensors", content)
        if len(self._frames) == self.chunk:
            self._frames, self._index = [], self._index + 1

    def _recognise(self, header: dict[str, Any]) -> None:
        existing = Trajectory(self.path).header
        other = sorted(
            k for k in header.keys() | existing.keys() if header.get(k) != existing.get(k) and k != "version"
        )
        if other:
            raise DataError(
                f"holds the trajectory of another run (different {', '.join(other)})",
                where=str(self.path),
                remedy="choose another folder, or remove this one; to resume, repeat the call that began it",
            )


class Trajectory:
    """A trajectory on the disk, read lazily: only the quantity that is asked for is loaded.

    Args:
        path: Folder of the trajectory.

    Raises:
        DataError: Not a trajectory, damaged, or written by a newer version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.header = _read_header(self.path)
        self._static = _load(self.path / "start.safetensors")
        found = sorted(name for name in (p.name for p in self.path.iterdir()) if _CHUNK.fullmatch(name))
        if found != [f"chunk-{index:06d}.safetensors" for index in range(len(found))]:
            raise DataError("a chunk is missing", where=str(self.path), remedy="restore the file, or remove later ones")
        self._chunks = [self.path / name for name in found]
        self.chunk_lengths = [self._length(path) for path in self._chunks]

    def __len__(self) -> int:
        """Number of frames."""
        return sum(self.chunk_lengths)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names that :meth:`read` accepts."""
        if not self._chunks:
            return ()
        with _opened(self._chunks[0]) as file:
            return tuple(sorted(name for name in file.keys() if not name.startswith("checkpoint.")))  # noqa: SIM118

    @property
    def masses(self) -> Float[Tensor, " atoms"]:
        """Masses [amu]."""
        return self._static["masses"]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Tensor:
        """One quantity along the frames ``start`` to ``stop``, [frames, ...]; other quantities are not loaded.

        Raises:
            DataError: The trajectory does not have it; the message lists what it has.
        """
        if name not in self.quantities:
            known = ", ".join(self.quantities) or "no frames yet"
            raise DataError(f"no {name!r} in the trajectory", where=str(self.path), remedy=f"it has: {known}")
        stop = len(self) if stop is None else min(stop, len(self))
        parts: list[Tensor] = []
        begin = 0
        for path, count in zip(self._chunks, self.chunk_lengths, strict=True):
            low, high = max(start - begin, 0), min(stop - begin, count)
            if low < high or not parts:
                with _opened(path) as file:
                    parts.append(file.get_slice(name)[low : max(low, high)])
            begin += count
        return torch.cat(parts)

    @property
    def times(self) -> Float[Tensor, " frames"]:
        """Times [fs]."""
        return self.read("times")

    @property
    def dipoles(self) -> Float[Tensor, "frames structures 3"]:
        """Dipoles [e Angstrom]."""
        return self.read("dipole")

    def structures(self, frame: int) -> Structures:
        """All structures at one frame; negative frames count from the end."""
        frame = range(len(self))[frame]
        static: dict[str, Any] = {name: self._static.get(name) for name in _STATIC}
        positions = self.read("positions", frame, frame + 1)[0]
        static["cell"] = static["cell"].to(positions.dtype)
        return Structures(positions=positions, **static)

    def checkpoint(self, state: State, generator: torch.Generator | None, chunk: int = -1) -> State:
        """The state in full precision after a chunk; the generator is set to what it was then.

        Args:
            state: A state of the same run, for all that never changes.
            generator: The generator to set, if the run used one.
            chunk: Index of the chunk.
        """
        like = state.structures.positions
        with _opened(self._chunks[chunk]) as file:
            names = [name for name in file.keys() if name.startswith("checkpoint.")]  # noqa: SIM118
            saved = {name.removeprefix("checkpoint."): file.get_tensor(name) for name in names}
        if generator is not None and "generator" in saved:
            generator.set_state(saved["generator"])
        prefix = "results."
        return state.replace(
            structures=state.structures.replace(positions=saved["positions"].to(like.device)),
            velocities=saved["velocities"].to(like.device),
            degrees=self._static["degrees"].to(like.device),
            results={k.removeprefix(prefix): v.to(like.device) for k, v in saved.items() if k.startswith(prefix)},
            step=int(saved["step"]),
            time=float(saved["time"]),
        )

    def frames(self, structure: int = 0, every: int = 1) -> Iterator[Atoms]:
        """One structure along the trajectory as ASE ``Atoms``, with velocities, energy and dipole."""
        atoms = torch.nonzero(self._static["batch"] == structure).squeeze(1)
        frame = self.structures(0).select([structure]).to_ase()[0]
        frame.set_masses(self.masses[atoms].double().numpy())
        begin = 0
        for path, count in zip(self._chunks, self.chunk_lengths, strict=True):
            loaded = {name: value for name, value in _load(path).items() if not name.startswith("checkpoint.")}
            for index in range(-begin % every, count, every):
                yield _as_atoms(frame.copy(), loaded, index, structure, atoms)
            begin += count

    def export_extxyz(self, path: str | Path, structures: Sequence[int] | None = None, every: int = 1) -> int:
        """Write extended XYZ, structure after structure; returns the number of frames written.

        Args:
            path: The file.
            structures: Which structures; all when not given.
            every: Write every n-th frame.
        """
        chosen = range(len(self._static["cell"])) if structures is None else structures
        written = 0

        def content(temporary: Path) -> None:
            nonlocal written
            with open(temporary, "w") as file:
                for structure in chosen:
                    for frame in self.frames(structure, every):
                        ase_write(file, frame, format="extxyz")
                        written += 1

        write_atomically(path, content)
        return written

    def _length(self, path: Path) -> int:
        with _opened(path) as file:
            return file.get_slice("times").get_shape()[0]


def frame_of(state: State) -> dict[str, Tensor]:
    """What a trajectory keeps of a state."""
    extra = {k: v.detach() for k, v in state.results.items() if k not in ("energy", "forces")}
    return {
        "positions": state.structures.positions.float(),
        "velocities": state.velocities.float(),
        "times": torch.tensor(state.time, dtype=torch.float64),
        "potential": state.results["energy"].double(),
        "kinetic": state.kinetic_energy,
        **extra,
    }


def _as_atoms(frame: Atoms, loaded: dict[str, Tensor], index: int, structure: int, atoms: Tensor) -> Atoms:
    from ase.units import fs as ase_fs

    frame.positions = loaded["positions"][index][atoms].double().numpy()
    frame.set_velocities(loaded["velocities"][index][atoms].double().numpy() / ase_fs)
    frame.info["time_fs"] = float(loaded["times"][index])
    frame.info["energy"] = float(loaded["potential"][index, structure])
    if "dipole" in loaded:
        frame.info["dipole"] = loaded["dipole"][index, structure].double().numpy()
    return frame


def _fingerprint(state: State) -> str:
    digest = hashlib.sha256()
    static = {f.name: getattr(state.structures, f.name) for f in fields(state.structures)}
    static |= {"velocities": state.velocities, "masses": state.masses, "free": state.free}
    for name, value in sorted(_on_cpu(static).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _on_cpu(tensors: dict[str, Any]) -> dict[str, Tensor]:
    # clone: safetensors refuses tensors that share memory, and frames must not change under later steps
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items() if v is not None}


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads((path / "header.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            "not a trajectory (no readable header.json)",
            where=str(path),
            remedy="give the folder that a run wrote its trajectory to",
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError("header.json is not of a trajectory", where=str(path), remedy="give a trajectory folder")
    if int(header.get("version", 0)) > VERSION:
        raise DataError(
            f"written in version {header['version']} of the trajectory format; this atnn reads up to {VERSION}",
            where=str(path),
            remedy="update atnn",
        )
    return header


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"missing or damaged ({error})",
        where=str(path),
        remedy="restore the file from a copy, or remove this chunk and all later ones and resume the run",
    )
