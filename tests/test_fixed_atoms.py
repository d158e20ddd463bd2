"""Fixed atoms stay where they are, from the file to the last frame."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc111, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.vibrations import Vibrations

from atnn.data import Frames, data_hash, write_extxyz, write_store
from atnn.dynamics import Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.dynamics.state import State
from atnn.errors import AtnnWarning, DataError
from atnn.observables import harmonic, relax
from atnn.reading import read
from atnn.structures import Labelled, Structures
from dynamics.analytic import FromAse


def slab() -> Atoms:
    """Two layers of copper with an atom on top; the lower layer is fixed."""
    atoms = fcc111("Cu", (2, 2, 2), vacuum=6.0)
    atoms.append("Cu")
    atoms.positions[-1] = atoms.positions[4:8].mean(0)
    atoms.positions[-1, 2] += 2.0
    atoms.pbc = (True, True, False)
    atoms.rattle(0.05, seed=0)
    atoms.positions += [0.3, 0.3, 0.0]
    atoms.wrap()
    atoms.info.clear()
    atoms.set_constraint(FixAtoms(indices=[0, 1, 2, 3]))
    return atoms


FIXED = [True] * 4 + [False] * 5


def test_fixed_atoms_come_from_ase_and_go_back():
    atoms = slab()
    structures = Structures.from_ase([atoms, molecule("H2O")])
    assert structures.fixed.tolist() == [*FIXED, False, False, False]
    there = structures.to_ase()
    assert there[0].constraints[0].index.tolist() == [0, 1, 2, 3] and not there[1].constraints
    assert structures.select([1, 0]).fixed.tolist() == [False, False, False, *FIXED]
    assert [part.fixed.sum().item() for part in structures.singles()] == [4, 0]
    assert Structures.from_ase(molecule("H2O")).fixed is None
    assert structures.to(dtype=torch.float32).fixed.dtype == torch.bool


@pytest.mark.parametrize("constraint", [FixBondLength(0, 1), FixCartesian(0, (True, False, False))])
def test_other_constraints_are_never_ignored(constraint, tmp_path):
    atoms = slab()
    atoms.set_constraint([FixAtoms(indices=[0, 1, 2, 3]), constraint])
    with pytest.raises(DataError, match=type(constraint).__name__):
        Structures.from_ase(atoms)
    ase.io.write(tmp_path / "a.traj", atoms)
    with pytest.warns(AtnnWarning, match=type(constraint).__name__):
        assert read(tmp_path / "a.traj")[:].structures.fixed.tolist() == FIXED


@pytest.mark.parametrize("name", ["a.xyz", "a.traj"])
def test_files_of_ase_say_which_atoms_are_fixed(tmp_path, name):
    ase.io.write(tmp_path / name, slab())
    data = read(tmp_path / name)
    assert data[:].structures.fixed.tolist() == FIXED
    assert "move_mask" not in data.summary.unread


@pytest.mark.parametrize("mask", ["T T F", "F T T"])
def test_components_that_are_fixed_alone_are_an_error(tmp_path, mask):
    (tmp_path / "a.xyz").write_text(f"1\nProperties=species:S:1:pos:R:3:move_mask:L:3\nCu 0 0 0 {mask}\n")
    with pytest.raises(DataError, match="single components"):
        read(tmp_path / "a.xyz")


def test_our_own_files_keep_them_and_their_hash_depends_on_them(tmp_path):
    structures = Structures.from_ase([slab(), molecule("H2O")])
    data = Frames(Labelled(structures, {}, {}))
    write_extxyz(tmp_path / "a.xyz", data)
    write_store(tmp_path / "a.h5", data)
    free = Frames(Labelled(structures.replace(fixed=None), {}, {}))
    assert data_hash(free) != data_hash(data)
    for name in ("a.xyz", "a.h5"):
        found = read(tmp_path / name)
        assert torch.equal(found[:].structures.fixed, structures.fixed)
        assert data_hash(found) == data_hash(data)
    assert ase.io.read(tmp_path / "a.xyz", 0).constraints[0].index.tolist() == [0, 1, 2, 3]


def test_dynamics_leaves_them_where_they_are(tmp_path):
    structures = Structures.from_ase(slab())
    velocities = maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(0))
    state = State.start(structures, velocities)
    assert state.degrees.tolist() == [15]
    run(state, FromAse(EMT()), VelocityVerlet(2.0), 20, trajectory=tmp_path / "md", every=10)
    trajectory = Trajectory(tmp_path / "md")
    positions = trajectory.read("positions").double()
    fixed = torch.tensor(FIXED)
    assert (positions[:, fixed] == positions[0, fixed]).all()
    assert (positions[-1, ~fixed] != positions[0, ~fixed]).all()


def test_relaxation_leaves_them_and_their_forces_do_not_count():
    structures = Structures.from_ase(slab())
    potential = FromAse(EMT())
    relaxed = relax(potential, structures, fmax=0.01)
    moved = (relaxed.positions - structures.positions).norm(dim=1)
    assert (moved[:4] == 0).all() and (moved[4:] > 1e-3).all()
    forces = potential(relaxed.replace(fixed=None), ("forces",))["forces"].norm(dim=1)
    assert forces[4:].max() <= 0.01 < forces[:4].max()


def test_the_free_atoms_vibrate_against_them_as_in_ase(tmp_path):
    structures = relax(FromAse(EMT()), Structures.from_ase(slab()), fmax=1e-3)
    modes = harmonic(FromAse(EMT()), structures, displacement=0.01)
    atoms = structures.to_ase()[0]
    atoms.calc = EMT()
    reference = Vibrations(atoms, indices=range(4, 9), name=str(tmp_path / "vib"), delta=0.01)
    reference.run()
    assert modes.rigid == 0 and len(modes.frequencies) == 15
    assert modes.frequencies == pytest.approx(reference.get_frequencies().real, abs=0.01)
    assert (modes.modes[:, :4] == 0).all() and np.allclose((modes.modes**2).sum((1, 2)), 1)
    with pytest.raises(DataError, match="all atoms are fixed"):
        harmonic(FromAse(EMT()), structures.replace(fixed=torch.ones(9, dtype=torch.bool)))
