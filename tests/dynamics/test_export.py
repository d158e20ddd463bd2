"""Exported trajectories hold the numbers of the trajectory, in the layout that other programs read."""

import re

import ase.io
import h5py
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.units import fs, kJ, mol

from atnn.dynamics import State, Trajectory, VelocityVerlet, export_trajectory, run
from atnn.errors import DataError, SpecificationError
from atnn.structures import Structures
from dynamics.analytic import Morse, Wells
from systems import ethanol, methane


@pytest.fixture
def trajectory(tmp_path):
    structures = Structures.from_ase([ethanol(), methane()])
    fixed = torch.arange(14) == 9
    state = State.start(structures, fixed=fixed)
    outputs = ("dipole", "charges", "forces")
    run(state, Morse(), VelocityVerlet(0.5), 8, trajectory=tmp_path / "a", chunk=4, outputs=outputs)
    return Trajectory(tmp_path / "a")


def test_traj_holds_all_numbers_and_fixed_atoms(trajectory, tmp_path):
    assert export_trajectory(trajectory, tmp_path / "a.traj", "traj", every=2, structures=[1]) == 5
    for read, frame in zip(ase.io.read(tmp_path / "a.traj", ":"), trajectory.frames(1, 2), strict=True):
        assert np.array_equal(read.positions, frame.positions)
        assert np.array_equal(read.get_velocities(), frame.get_velocities())
        assert np.array_equal(read.get_forces(apply_constraint=False), frame.arrays["forces"])
        assert np.array_equal(read.get_charges(), frame.arrays["charges"])
        assert np.array_equal(read.get_dipole_moment(), frame.info["dipole"])
        assert read.get_potential_energy() == frame.info["energy"] and read.info["time_fs"] == frame.info["time_fs"]
        assert read.constraints[0].index.tolist() == [0]


def test_h5md_holds_what_the_specification_asks_for(trajectory, tmp_path):
    assert export_trajectory(trajectory, tmp_path / "a.h5md", "h5md", structures=[1]) == 9
    frames = list(trajectory.frames(1))
    with h5py.File(tmp_path / "a.h5md") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        group = file["particles/trajectory"]
        assert group["box"].attrs["dimension"] == 3 and "edges" not in group["box"]
        assert group["box"].attrs["boundary"].tolist() == [b"none"] * 3
        assert group["position/step"][:].tolist() == list(range(9)) and group["position/time"][-1] == 4.0
        assert np.array_equal(group["position/value"], [f.positions for f in frames])
        assert np.array_equal(group["velocity/value"], [f.get_velocities() * fs for f in frames])
        assert np.allclose(group["force/value"][:] * kJ / mol, [f.arrays["forces"] for f in frames], atol=1e-12)
        units = {name: group[name]["value"].attrs["unit"] for name in ("position", "velocity", "force")}
        assert units == {"position": "Angstrom", "velocity": "Angstrom fs-1", "force": "kJ mol-1 Angstrom-1"}


class Squeezed(Wells):
    """Wells with a stress for each structure that says which it is, and made-up numbers of the atoms."""

    outputs = Wells.outputs | {"stress", "atomic_dipoles"}

    def __call__(self, structures, outputs):
        found = super().__call__(structures, outputs)
        found["stress"] = torch.arange(9.0).reshape(3, 3) + torch.arange(9.0).reshape(3, 3).T
        found["stress"] = found["stress"] * structures.positions.sum() * torch.ones(len(structures), 1, 1)
        found["atomic_dipoles"] = 2 * structures.positions
        return found


@pytest.fixture
def crystal(tmp_path):
    """A run of two cells that goes on from one of three and five steps."""
    cells = [bulk("Cu", cubic=True), bulk("Cu", cubic=True)]
    state = State.start(Structures.from_ase(cells))
    state = state.replace(step=torch.tensor([3, 5]), time=torch.tensor([1.5, 2.5]).double())
    outputs = ("stress", "atomic_dipoles")
    run(state, Squeezed(), VelocityVerlet(0.5), 9, every=3, trajectory=tmp_path / "c", chunk=2, outputs=outputs)
    return Trajectory(tmp_path / "c")


def test_h5md_counts_the_steps_of_the_run(crystal, tmp_path):
    export_trajectory(crystal, tmp_path / "c.h5md", "h5md", every=2)
    with h5py.File(tmp_path / "c.h5md") as file:
        for number, first in enumerate((3, 5)):
            for place in (f"particles/structure-{number:06d}/position", f"observables/structure-{number:06d}/stress"):
                assert file[place]["step"][:].tolist() == [first, first + 6]
                assert file[place]["time"][:].tolist() == [first / 2, first / 2 + 3]
                assert np.issubdtype(file[place]["step"].dtype, np.integer)


def test_stress_and_other_quantities_are_exported_with_their_units(crystal, tmp_path):
    frames = list(crystal.frames(1))
    export_trajectory(crystal, tmp_path / "c.h5md", "h5md", structures=[1])
    with h5py.File(tmp_path / "c.h5md") as file:
        found = file["observables/trajectory/stress/value"]
        assert found.attrs["unit"] == "eV Angstrom-3"
        assert np.array_equal(found, [frame.info["stress"] for frame in frames]) and abs(found[-1]).max() > 0
        moments = file["particles/trajectory/atomic_dipoles/value"]
        assert moments.attrs["unit"] == "e Angstrom"
        assert np.array_equal(moments, [frame.arrays["atomic_dipoles"] for frame in frames])
        assert file["particles/trajectory/box"].attrs["boundary"].tolist() == [b"periodic"] * 3
        assert np.allclose(file["particles/trajectory/box/edges/value"][0], bulk("Cu", cubic=True).cell.array)
    export_trajectory(crystal, tmp_path / "c.traj", "traj", structures=[1])
    for read, frame in zip(ase.io.read(tmp_path / "c.traj", ":"), frames, strict=True):
        assert np.allclose(read.get_stress(voigt=False), frame.info["stress"])


def check_element(element, frames):
    """What the specification of H5MD 1.1 asks of a time-dependent element."""
    assert set(element) == {"step", "time", "value"}
    assert len(element["value"]) == len(element["step"]) == len(element["time"]) == frames
    assert (np.diff(element["step"]) > 0).all() and np.issubdtype(element["step"].dtype, np.integer)
    for word in (*str(element["value"].attrs["unit"]).split(), element["time"].attrs["unit"]):
        assert re.fullmatch(r"[A-Za-z]+([+-][0-9]+)?", word)


@pytest.mark.parametrize("name", ["trajectory", "crystal"])
def test_h5md_has_the_structure_of_the_specification(name, request, tmp_path):
    source = request.getfixturevalue(name)
    export_trajectory(source, tmp_path / "a.h5md", "h5md")
    with h5py.File(tmp_path / "a.h5md") as file:
        assert set(file) == {"h5md", "particles", "observables"}
        assert file["h5md/author"].attrs["name"] and file["h5md/creator"].attrs["version"]
        assert list(file["particles"]) == list(file["observables"]) == ["structure-000000", "structure-000001"]
        for group in file["particles"].values():
            elements = {key: item for key, item in group.items() if isinstance(item, h5py.Group) and key != "box"}
            assert {"position", "velocity"} <= elements.keys()
            atoms = len(group["species"])
            assert group["mass"].shape == (atoms,) and np.issubdtype(group["species"].dtype, np.integer)
            for element in elements.values():
                check_element(element, len(source))
                assert element["value"].shape[1] == atoms
            for element in group["box"].values():
                check_element(element, len(source))
        for group in file["observables"].values():
            for element in group.values():
                check_element(element, len(source))


def test_unknown_format_is_refused_with_a_suggestion(trajectory, tmp_path):
    with pytest.raises(SpecificationError, match="did you mean `h5md`"):
        export_trajectory(trajectory, tmp_path / "a", "h5dm")


@pytest.mark.parametrize("format", ["extxyz", "traj", "h5md"])
def test_damaged_trajectory_leaves_the_old_file(trajectory, tmp_path, format):
    (tmp_path / "out").write_text("old")
    file = tmp_path / "a" / "chunk-000001.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-40] + b"x" * 40)
    with pytest.raises(DataError):
        export_trajectory(trajectory, tmp_path / "out", format)
    assert (tmp_path / "out").read_text() == "old"
    assert not list(tmp_path.glob(".out*"))
