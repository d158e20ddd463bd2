"""Models in float32 keep their digits far from the origin and for atoms many cells away."""

import pytest
import torch

from atnn.model import ModelPotential
from atnn.structures import Structures
from contracts.models import NAMES, SMALL_TERMS, small_model
from systems import ethanol, slab, water_box

FAR = (1e4, -3e4, 2e4)
# Of the largest force. Models in float32 differ from those in float64 by up to 3e-6 at the origin; positions rounded at
# 1e4 Angstrom would change forces by 1e-3.
LIMIT = 1e-5


def far_molecule():
    near, far = ethanol(), ethanol()
    far.translate(FAR)
    return near, far


def far_atom_of_a_liquid():
    near, far = water_box(), water_box()
    far.positions[4] += far.cell[0] * 1000 - far.cell[2] * 300
    return near, far


def far_slab():
    near, far = slab(), slab()
    far.translate(FAR)
    return near, far


def compare(model, atoms):
    """Largest change of the forces relative to the largest force."""
    potential = ModelPotential(model.float())
    near, far = (potential(Structures.from_ase(one), ("energy", "forces"))["forces"] for one in atoms)
    return float((near - far).abs().max() / near.abs().max())


@pytest.mark.parametrize("make", [far_molecule, far_atom_of_a_liquid])
@pytest.mark.parametrize("name", NAMES)
def test_forces_do_not_know_where_the_origin_is(name, make):
    assert compare(small_model(name), make()) < LIMIT


@pytest.mark.parametrize("name", SMALL_TERMS)
def test_nor_do_physics_terms(name):
    model = small_model("eann", outputs=("energy", "dipole"), terms=(SMALL_TERMS[name],))
    assert max(compare(model, make()) for make in (far_molecule, far_atom_of_a_liquid)) < LIMIT


def test_nor_does_a_slab():
    assert compare(small_model("eann", elements=(1, 29)), far_slab()) < LIMIT


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_nor_does_a_compiled_model():
    """Of its energy alone, whose graph is small and brings atoms home in the same way."""
    potential = ModelPotential(small_model("eann", outputs=("energy",)).float(), compile=True)
    for make in (far_molecule, far_atom_of_a_liquid):
        near, far = (potential(Structures.from_ase(one), ("energy",))["energy"] for one in make())
        # Eager energies agree to 2e-9 eV; positions rounded in float32 change them by 1.5e-5 and 8e-7.
        torch.testing.assert_close(far, near, rtol=0, atol=1e-7)


def test_the_dipole_of_a_far_ion_is_that_of_the_near_one_and_its_charge_times_the_way():
    near, far = far_molecule()
    near.info["charge"] = far.info["charge"] = -2.0
    potential = ModelPotential(small_model("eann", outputs=("energy", "dipole"), conditions=("charge",)).float())
    near, far = (potential(Structures.from_ase(one), ("dipole",))["dipole"] for one in (near, far))
    # 1e-7 of a dipole of 7e4 e Angstrom is what float32 holds.
    torch.testing.assert_close(far - near, -2.0 * torch.tensor([FAR]), rtol=1e-6, atol=1e-2)
