"""Exported trajectories hold the numbers of the trajectory, in the layout that other programs read."""

import ase.io
import h5py
import numpy as np
import pytest
import torch
from ase.units import fs, kJ, mol

from atnn import reading
from atnn.dynamics import InField, OscillatingField, State, Trajectory, VelocityVerlet, export_trajectory, run
from atnn.errors import DataError, SpecificationError
from atnn.structures import Structures
from dynamics.analytic import ChargedWells, Morse
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


def test_tensors_and_the_field_that_acted_are_exported(tmp_path):
    field = OscillatingField(amplitude=(0.0, 0.01, 0.05), period=20.0)
    outputs = ("dipole", "polarizability", "born_charges")
    state = State.start(Structures.from_ase([methane()]))
    rule = InField(VelocityVerlet(0.5), field)
    run(state, ChargedWells(), rule, 4, trajectory=tmp_path / "a", outputs=outputs)
    trajectory = Trajectory(tmp_path / "a")
    fields, born = trajectory.read("electric_field")[:, 0], trajectory.read("born_charges")
    for format in ("extxyz", "traj"):
        export_trajectory(trajectory, tmp_path / "a.file", format)
        frames = ase.io.read(tmp_path / "a.file", ":", format=format)
        for index, frame in enumerate(frames):
            np.testing.assert_allclose(frame.info["electric_field"], fields[index])
            np.testing.assert_allclose(frame.info["polarizability"], 1.5 * np.eye(3))
    export_trajectory(trajectory, tmp_path / "a.xyz", "extxyz")
    written = reading.read(tmp_path / "a.xyz")
    torch.testing.assert_close(written[[3]].labels["born_charges"].reshape(5, 3, 3), born[3])
    torch.testing.assert_close(written[[3]].structures.field[0], fields[3])
    export_trajectory(trajectory, tmp_path / "a.h5md", "h5md")
    with h5py.File(tmp_path / "a.h5md") as file:
        observed, group = file["observables/trajectory"], file["particles/trajectory"]
        np.testing.assert_allclose(observed["electric_field/value"], fields)
        units = {name: observed[name]["value"].attrs["unit"] for name in observed}
        assert units["polarizability"] == "e+2 Angstrom+2 eV-1" and units["electric_field"] == "V Angstrom-1"
        assert (units["dipole"], units["field_work"]) == ("e Angstrom", "eV")
        assert group["born_charges/value"].shape == (5, 5, 3, 3) and group["born_charges/value"].attrs["unit"] == "e"
