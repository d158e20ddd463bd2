"""Reading trajectories lazily: only the quantity that is asked for is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import chemical_symbols
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atnn.dynamics.checkpoints import load_checkpoint, load_ended
from atnn.dynamics.chunks import Chunks
from atnn.dynamics.ended import Ended
from atnn.dynamics.images import as_atoms
from atnn.dynamics.layout import (
    STATIC,
    check_shapes,
    ended_path,
    frame_axis,
    hash_folder,
    open_part,
    read_header,
    seal,
)
from atnn.dynamics.state import State
from atnn.errors import DataError
from atnn.quantities import AXES
from atnn.stated import STATED
from atnn.structures import Structures


class Trajectory:
    """A trajectory on the disk.

    Frames are as wide as the batch that the run began with. A trajectory that ended before the run did is NaN in
    the frames that it does not reach; :attr:`whole` and :attr:`lengths` say what is there.

    Args:
        path: Folder of the trajectory.

    Raises:
        DataError: Not a trajectory, damaged, or written by a newer version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.header = read_header(self.path)
        self._static = _read_start(self.path / "start.safetensors", self.header)
        self._chunks = Chunks(self.path, self.header, self._start.structures.totals)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._chunks)

    @property
    def chunk_lengths(self) -> list[int]:
        """Number of frames in each file."""
        return self._chunks.lengths

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names that :meth:`read` accepts."""
        return self._chunks.names

    @property
    def potential(self) -> str | None:
        """What the potential that made it says it is: for a model its hash. None where it does not say."""
        return self.header.get("potential")

    @property
    def run(self) -> str:
        """Hash of how it was begun: structures, velocities, settings, potential. The same however far it has gone."""
        return seal(self.header)

    @property
    def hash(self) -> str:
        """Hash of all that the folder holds."""
        return hash_folder(self.path)

    @property
    def masses(self) -> Float[Tensor, " atoms"]:
        """Masses [amu]."""
        return self._static["masses"]

    @property
    def degrees(self) -> Int[Tensor, " structures"]:
        """Degrees of freedom of each structure that carried kinetic energy at the start."""
        return self._static["degrees"]

    @cached_property
    def ended(self) -> tuple[Ended, ...]:
        """Trajectories that ended before the run did, in the order in which they ended.

        Raises:
            DataError: Frames miss a trajectory of which nothing is said.
        """
        ended = self.ended_from(self._start)
        known = {entry.number for entry in ended}
        if unknown := [number for number in self._chunks.missing if number not in known]:
            raise DataError(
                f"does not say why the trajectories {unknown} have ended, of which the frames hold only a part",
                where=str(ended_path(self.path)),
                remedy="restore the file from a copy, or remove the folder and run again",
            )
        return ended

    def ended_from(self, state: State) -> tuple[Ended, ...]:
        """As :attr:`ended`, with states like that which the run began with.

        Args:
            state: The state that the run began with, for all that never changes.
        """
        return load_ended(ended_path(self.path), self.header, state)

    @property
    def lengths(self) -> Int[Tensor, " structures"]:
        """Number of frames that each trajectory is in."""
        lengths = torch.full((len(self._static["cell"]),), len(self))
        for entry in self.ended:
            steps = entry.step - int(self._static["step"][entry.number])
            lengths[entry.number] = min(len(self), -(-steps // self.header["every"]))
        return lengths

    @property
    def whole(self) -> Bool[Tensor, " structures"]:
        """Which trajectories have not ended: averages over time, such as spectra, are of these."""
        whole = torch.ones(len(self._static["cell"]), dtype=torch.bool)
        whole[[entry.number for entry in self.ended]] = False
        return whole

    def read(
        self,
        name: str,
        start: int = 0,
        stop: int | None = None,
        structures: Bool[Tensor, " structures"] | Sequence[int] | None = None,
    ) -> Tensor:
        """One quantity along the frames ``start`` to ``stop``, [frames, ...]; other quantities are not loaded.

        Args:
            name: Which, see :attr:`quantities`.
            start: First frame.
            stop: Frame after the last one; all when not given.
            structures: Which structures, for instance :attr:`whole`; all when not given.

        Raises:
            DataError: The trajectory does not have it; the message lists what it has.
        """
        stop = len(self) if stop is None else min(stop, len(self))
        return self._chunks.read(name, start, stop, None if structures is None else self._rows(name, structures))

    @property
    def times(self) -> Float[Tensor, " frames"]:
        """Times [fs], by the clock of the first structure."""
        return self.read("times")

    def steps(self, structure: int = 0) -> Int[Tensor, " frames"]:
        """Numbers of the steps of the frames, by the count of one structure, which may have begun above zero."""
        begin = int(self._static["step"][structure]) if "step" in self._static else 0
        return begin + self.header["every"] * torch.arange(len(self))

    @property
    def dipoles(self) -> Float[Tensor, "frames structures 3"]:
        """Dipoles [e Angstrom]; NaN where a trajectory has ended."""
        return self.read("dipole")

    def structures(self, frame: int) -> Structures:
        """The structures that are there at one frame; negative frames count from the end."""
        frame = range(len(self))[frame]
        positions = self.read("positions", frame, frame + 1)[0]
        structures = self._at(positions)
        if "electric_field" in self.quantities:
            structures = structures.replace(field=self.read("electric_field", frame, frame + 1)[0].to(positions.dtype))
        return structures.select(self.lengths > frame) if self.ended else structures

    def checkpoint(self, state: State, generator: torch.Generator | None, chunk: int = -1) -> State:
        """The state in full precision after a chunk, of the trajectories that have not ended there.

        Args:
            state: The state that the run began with, for all that never changes.
            generator: The generator to set to what it was then, if the run used one.
            chunk: Index of the chunk.
        """
        return self.go_back(state, generator, chunk)[0]

    def go_back(
        self, state: State, generator: torch.Generator | None, chunk: int
    ) -> tuple[State, Int[Tensor, " running"]]:
        """As :meth:`checkpoint`, with the numbers of these trajectories."""
        return load_checkpoint(self._chunks.open(self._chunks.paths[chunk]), state, generator)

    def frames(self, structure: int = 0, every: int = 1) -> Iterator[Atoms]:
        """One structure as ASE ``Atoms`` as far as it goes, with velocities, energy and all other outputs."""
        number = torch.tensor([structure])
        rows = {axis: self._start.structures.select_rows(axis, number) for axis in AXES}
        atoms = rows["atom"]
        template = self._start.structures.select([structure]).to_ase()[0]
        template.set_masses(self.masses[atoms].double().numpy())
        if (free := self._static.get("free")) is not None and not bool(free[atoms].all()):
            template.set_constraint(FixAtoms(mask=~free[atoms].bool().numpy()))
        later = self._start.time[structure] - self._start.time[0]
        length = int(self.lengths[structure])
        for begin, count, loaded in self._chunks.walk():
            loaded["times"] = loaded["times"] + later
            for index in range(-begin % every, min(count, length - begin), every):
                yield as_atoms(template, loaded, index, rows)

    @cached_property
    def _start(self) -> State:
        """The state that the run began with, without positions and velocities."""
        static = self._static
        zeros = torch.zeros_like(static["degrees"])
        nowhere = static["cell"].new_zeros((len(static["batch"]), 3))
        return State(
            structures=self._at(nowhere),
            velocities=nowhere,
            masses=static["masses"],
            degrees=static["degrees"],
            step=static.get("step", zeros),
            time=static.get("time", zeros.double()),
            free=static.get("free"),
        )

    def _at(self, positions: Float[Tensor, "atoms 3"]) -> Structures:
        static: dict[str, Any] = {name: self._static.get(name) for name in STATIC}
        static["cell"] = self._static["cell"].to(positions.dtype)
        return Structures(positions=positions, **static)

    def _rows(self, name: str, structures: Bool[Tensor, " structures"] | Sequence[int]) -> Tensor | None:
        order = torch.arange(len(self._static["cell"]))[structures]
        axis = frame_axis(name)
        if axis == "frame":
            return None
        return self._start.structures.select_rows(axis, order)


def _read_start(path: Path, header: dict[str, Any]) -> dict[str, Tensor]:
    """What never changes along a trajectory.

    Raises:
        DataError: The file is damaged.
    """
    archive = open_part(path, header)
    check_shapes(archive, {"cell": (None, 3, 3), "numbers": (None,)})
    structures, atoms = archive.shape("cell")[0], archive.shape("numbers")[0]
    each: dict[str, tuple[int | None, ...]] = {"pbc": (structures, 3), "degrees": (structures,)}
    each |= {name: (structures, *entry.shape) for name, entry in STATED.items() if name in archive.names}
    each |= {name: (structures,) for name in ("step", "time") if name in archive.names}
    each |= {name: (atoms,) for name in ("batch", "masses")}
    each |= {name: (atoms,) for name in ("free", "adsorbate") if name in archive.names}
    check_shapes(archive, each)
    static = archive.tensors()
    batch, numbers = static["batch"], static["numbers"]
    ordered = bool((batch.diff() >= 0).all()) and (atoms == 0 or 0 <= int(batch[0]) <= int(batch[-1]) < structures)
    if not ordered or bool(((numbers < 0) | (numbers >= len(chemical_symbols))).any()):
        raise archive.damaged("its atoms are of no structure, or of no element")
    return static
