from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from atnn.errors import LabellingError
from atnn.labelling import LabellerPotential, PyscfLabeller
from atnn.labelling.coupled import compute_hessian
from atnn.observables import harmonic
from atnn.structures import Structures
from atnn.units import bohr, coulomb, debye, hartree
from references.loading import reference

pytest.importorskip("pyscf")
SMALL = PyscfLabeller(basis="sto-3g")


def test_water_at_the_default_level_has_the_known_energy_and_dipole():
    labels = PyscfLabeller()(Structures.from_ase(molecule("H2O")))
    expected = reference("water")
    assert labels["energy"] / hartree == pytest.approx(expected["energy"], abs=1e-5)
    assert np.linalg.norm(labels["dipole"]) / debye == pytest.approx(expected["dipole"], abs=1e-3)
    # oxygen has the larger z; the dipole points from minus to plus
    assert labels["dipole"][2] < 0 and labels["charges"][0] < 0
    np.testing.assert_allclose(labels["forces"].sum(0), 0, atol=1e-6)


def test_forces_are_minus_the_gradient_of_the_energy():
    structure = Structures.from_ase(Atoms("HF", positions=[[0, 0, 0], [0.1, 0.2, 0.95]]))
    shift = torch.zeros(2, 3, dtype=torch.float64)
    shift[1, 2] = 2e-3
    plus, minus = (SMALL(structure.replace(positions=structure.positions + s * shift))["energy"] for s in (1, -1))
    assert SMALL(structure)["forces"][1, 2] == pytest.approx(-(plus - minus) / 4e-3, abs=1e-3)


def test_dipole_of_a_cation_moves_with_its_charge_and_radicals_are_unrestricted():
    near, far = (
        SMALL(Structures.from_ase(Atoms("OH", positions=[[x, 0, 0], [x, 0, 1.0]], info={"charge": charge})))
        for x, charge in ((0.0, 1), (3.0, 1))
    )
    np.testing.assert_allclose(far["dipole"] - near["dipole"], [3.0, 0, 0], atol=1e-4)
    assert near["charges"].sum() == pytest.approx(1, abs=1e-6)
    radical = SMALL(Structures.from_ase(Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]])))
    assert radical["energy"] < near["energy"]


@pytest.mark.filterwarnings("ignore:Basis may be available:UserWarning")
@pytest.mark.parametrize(
    ("labeller", "atoms", "message"),
    [
        (PyscfLabeller(basis="sto-3g", maximum_cycles=1), molecule("H2O"), "did not converge"),
        (PyscfLabeller(basis="no-such-basis"), molecule("H2O"), "failed"),
        (SMALL, Atoms("He", positions=[[0, 0, 0]], cell=[5, 5, 5], pbc=True), "for molecules"),
    ],
)
def test_what_cannot_be_labelled_is_an_error(labeller, atoms, message):
    with pytest.raises(LabellingError, match=message):
        labeller(Structures.from_ase(atoms))


def test_the_polarizability_of_the_hydrogen_atom_is_nine_halves():
    # exact: 9/2 bohr^3; without correlation and with nearly complete basis the method is exact, too
    atom = Structures.from_ase(Atoms("H", positions=[[0.3, 0.2, 0.1]], info={"spin": 1}))
    labels = PyscfLabeller("hf", "aug-cc-pvqz", responses=("polarizability",))(atom)
    volume = labels["polarizability"] * coulomb / bohr**3
    np.testing.assert_allclose(volume, 4.5 * np.eye(3), atol=0.02)


def test_frequencies_of_the_analytic_hessian_are_those_of_differences_of_forces():
    # Hartree-Fock has no grid, and densities converged to 1e-12 hartree give forces whose differences are right to 1e-5
    labeller = PyscfLabeller("hf", "sto-3g", convergence=1e-12, responses=("hessian",))
    water = Structures.from_ase(molecule("H2O"))
    analytic = harmonic(LabellerPotential(labeller, outputs=("energy", "forces", "hessian")), water)
    numerical = harmonic(LabellerPotential(PyscfLabeller("hf", "sto-3g", convergence=1e-12)), water, displacement=0.002)
    np.testing.assert_allclose(analytic.frequencies, numerical.frequencies, atol=0.1)


def test_a_hessian_that_pyscf_lacks_is_an_error():
    in_field = Structures.from_ase(
        Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.9]], info={"electric_field": [0, 0, 0.1]})
    )
    with pytest.raises(LabellingError, match="no Hessian in an electric field"):
        PyscfLabeller(basis="sto-3g", responses=("hessian",))(in_field)

    def refuse():
        raise NotImplementedError("laplacian in meta-GGA method")

    with pytest.raises(LabellingError, match="no Hessian of this functional: laplacian"):
        compute_hessian(SimpleNamespace(Hessian=lambda: SimpleNamespace(kernel=refuse)))
