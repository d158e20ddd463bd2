from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from atnn.errors import LabellingError
from atnn.labelling import LabellerPotential, TbliteLabeller
from atnn.structures import Structures
from atnn.units import debye, hartree
from references.loading import reference
from systems import ethanol

tblite = pytest.importorskip("tblite")
XTB = TbliteLabeller()


def _structure(atoms: Atoms, **info) -> Structures:
    atoms.info.update(info)
    return Structures.from_ase(atoms)


def _derivative(labeller, structure, atom, axis, step=1e-3):
    shift = torch.zeros_like(structure.positions)
    shift[atom, axis] = step
    plus, minus = (labeller(structure.replace(positions=structure.positions + s * shift)) for s in (1, -1))
    return (plus["energy"] - minus["energy"]) / (2 * step)


def test_energy_is_that_of_the_xtb_program_and_silent(capfd):
    labels = XTB(_structure(Atoms("FH", positions=[[0, 0, 0], [0, 0, 0.92]])))
    assert labels["energy"] / hartree == pytest.approx(reference("hydrogen_fluoride"), abs=1e-6)
    assert capfd.readouterr().out == ""


def test_forces_are_minus_the_gradient_of_the_energy():
    atoms = ethanol()
    atoms.rattle(0.05, seed=3)
    structure = _structure(atoms)
    forces = XTB(structure)["forces"]
    for atom, axis in ((0, 0), (2, 1), (8, 2)):
        assert forces[atom, axis] == pytest.approx(-_derivative(XTB, structure, atom, axis), abs=2e-4)


def test_dipole_points_from_minus_to_plus():
    labels = XTB(_structure(Atoms("FH", positions=[[0, 0, 0], [0, 0, 0.92]])))
    assert labels["charges"][0] < 0 < labels["charges"][1]
    assert labels["dipole"][2] / debye == pytest.approx(2.5, abs=0.3)


def test_dipole_of_an_ion_moves_with_its_charge():
    near, far = (XTB(_structure(Atoms("OH", positions=[[0, 0, z], [0, 0, z + 0.96]]), charge=-1)) for z in (0.0, 5.0))
    np.testing.assert_allclose(far["dipole"] - near["dipole"], [0, 0, -5.0], atol=1e-6)
    assert near["charges"].sum() == pytest.approx(-1, abs=1e-6)
    assert near["energy"] == pytest.approx(far["energy"], abs=1e-6)


def test_charge_and_unpaired_electrons_change_the_energy():
    oxygen = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]])
    singlet, triplet, cation = (
        XTB(_structure(oxygen.copy(), charge=charge, spin=spin))["energy"] for charge, spin in ((0, 0), (0, 2), (1, 1))
    )
    assert max(singlet, triplet) < cation - 5 and abs(singlet - triplet) > 0.01


def test_stress_of_a_crystal_is_the_strain_derivative_per_volume():
    atoms = Atoms("HF", positions=[[0.1, 0.2, 0.0], [0.3, 0.1, 0.95]], cell=[[3.1, 0.2, 0], [0, 3.3, 0.1], [0, 0, 3.2]])
    atoms.pbc = True
    labeller = TbliteLabeller("GFN1-xTB")
    labels = labeller(_structure(atoms))
    assert "dipole" not in labels
    for a, b in ((0, 0), (1, 2)):
        energies = []
        for amount in (1e-3, -1e-3):
            strain = np.zeros((3, 3))
            strain[a, b] += amount / 2
            strain[b, a] += amount / 2
            bent = atoms.copy()
            bent.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(float(labeller(_structure(bent))["energy"]))
        expected = (energies[0] - energies[1]) / 2e-3 / atoms.get_volume()
        assert labels["stress"][a, b] == pytest.approx(expected, abs=1e-4)
        assert abs(expected) > 1e-3


def test_what_does_not_converge_is_an_error():
    with pytest.raises(LabellingError, match="not converged"):
        TbliteLabeller(maximum_iterations=2)(_structure(ethanol()))


def test_the_hessian_of_a_crystal_resists_no_shift_and_that_of_a_molecule_is_found_in_a_field():
    crystal = Atoms("HF", positions=[[0.1, 0.2, 0], [0.3, 0.1, 0.95]], cell=[3.1, 3.3, 3.2], pbc=True)
    found = TbliteLabeller("GFN1-xTB", responses=("hessian",))(_structure(crystal))["hessian"].reshape(2, 2, 3, 3)
    assert np.abs(found).max() > 10
    np.testing.assert_allclose(found.sum(1), np.zeros((2, 3, 3)), atol=1e-2)  # 1e-5 eV/Angstrom over the displacement
    molecules = (
        _structure(Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.95]]), electric_field=[0, 0, z]) for z in (0, 2.0)
    )
    without, within = (TbliteLabeller(responses=("hessian",))(one)["hessian"] for one in molecules)
    assert np.abs(within - without).max() > 0.5


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 0, "spin": 0}, "electrons cannot have"),
        ({"charge": 0.5}, "fractional"),
    ],
)
def test_impossible_electrons_are_errors(info, message):
    with pytest.raises(LabellingError, match=message):
        XTB(_structure(Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.96]]), **info))


def test_slabs_are_refused():
    atoms = Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.95]], cell=[4, 4, 4], pbc=(True, True, False))
    with pytest.raises(LabellingError, match="some directions only"):
        XTB(_structure(atoms))


def test_a_labeller_is_a_potential_of_batches(tmp_path):
    potential = LabellerPotential(XTB, tmp_path / "labels.db", workers=0)
    structures = Structures.from_ase([molecule("H2O"), ethanol()])
    found = potential(structures, ("energy", "forces", "dipole"))
    assert found["forces"].shape == (12, 3)
    alone = XTB(structures.select([1]))
    np.testing.assert_array_equal(found["forces"][3:], alone["forces"])
    np.testing.assert_array_equal(found["dipole"][1], alone["dipole"])
    with pytest.raises(LabellingError, match="gives no stress"):
        potential(structures, ("stress",))
