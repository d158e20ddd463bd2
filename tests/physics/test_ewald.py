"""Sums over periodic images against lattice constants of the literature, other programs and each other."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from torchpme import CoulombPotential, EwaldCalculator

from atnn import units
from atnn.neighbors import edges, neighbor_pairs
from atnn.physics.ewald import wave_energy
from atnn.physics.mesh import mesh_energy, mesh_points, splines, spread_charges
from atnn.structures import Structures
from physics.electrostatic_systems import energy, evaluate, neutral, oblique, polar_slab, water_charges
from references.loading import reference
from systems import crystal, water_box

MADELUNG, WIGNER = reference("madelung"), reference("wigner_lattices")


@pytest.mark.parametrize("method", ["auto", "mesh"])
@pytest.mark.parametrize("structure", MADELUNG)
@pytest.mark.parametrize("a", [4.1, 5.64, 11.0])
def test_madelung_constants(structure, a, method):
    atoms = bulk("NaCl", structure, a=a)
    shortest = atoms.get_distance(0, 1, mic=True)
    found = -energy(atoms, [1.0, -1.0], damping=0.0, method=method).item() * shortest / units.coulomb
    assert found == pytest.approx(MADELUNG[structure], abs=1e-6)


def test_lattices_wider_than_the_damping_have_their_madelung_energy_by_default():
    atoms = bulk("NaCl", "rocksalt", a=8.0)
    assert energy(atoms, [1.0, -1.0]).item() == pytest.approx(-units.coulomb * MADELUNG["rocksalt"] / 4.0, rel=1e-6)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("lattice", WIGNER)
def test_charges_in_a_uniform_background_have_the_energy_of_a_wigner_lattice(lattice, method):
    atoms = bulk("Na", lattice, a=4.7)
    radius = (3 * atoms.get_volume() / (4 * math.pi)) ** (1 / 3)
    found = energy(atoms, [-1.5], damping=0.0, background="uniform", method=method).item()
    assert found == pytest.approx(1.5**2 * units.coulomb * WIGNER[lattice] / radius, rel=1e-6)


def test_a_simple_cubic_lattice_of_charges_has_its_published_potential():
    found = energy(Atoms("H", cell=[7.0] * 3, pbc=True), [1.0], background="uniform").item()
    assert found == pytest.approx(-reference("cubic_lattice") * units.coulomb / (2 * 7.0), rel=1e-7)


@pytest.mark.parametrize("cutoff", [4.0, 7.5])
def test_the_energy_does_not_depend_on_how_it_is_split(cutoff):
    atoms = crystal()
    charges, options = neutral(4) + 0.3, {"damping": 4.0, "background": "uniform", "accuracy": 1e-10}
    expected = energy(atoms, charges, **options)
    torch.testing.assert_close(energy(atoms, charges, cutoff=cutoff, **options), expected, rtol=0, atol=1e-8)


def test_a_triclinic_charged_crystal_has_the_energy_of_torch_pme():
    atoms, charges = crystal(), torch.tensor([0.9, -0.4, 0.5, -0.2], dtype=torch.float64)
    s = Structures.from_ase(atoms)
    pairs = edges(s, neighbor_pairs(s, 9.0))
    calculator = EwaldCalculator(CoulombPotential(smearing=1.2), lr_wavelength=0.4, full_neighbor_list=True).double()
    indices = torch.stack([pairs.i, pairs.j], 1)
    potential = calculator(charges[:, None], s.cell[0], s.positions, indices, pairs.lengths)[:, 0]
    expected = units.coulomb * (charges * potential).sum().item()
    found = energy(atoms, charges, damping=0.0, background="uniform", accuracy=1e-9).item()
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("accuracy", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("system", ["water", "oblique"])
def test_a_mesh_gives_energies_and_forces_of_the_full_sum_to_the_stated_accuracy(system, accuracy):
    atoms, charges = (water_box(3), water_charges(water_box(3))) if system == "water" else oblique(3)
    outputs = ("energy", "forces", "stress")
    exact = evaluate(atoms, charges, outputs, method="ewald", accuracy=1e-11)
    found = evaluate(atoms, charges, outputs, method="mesh", accuracy=accuracy)
    typical = units.coulomb * float(np.square(charges).mean())  # eV/Angstrom, the force of such charges at 1 Angstrom
    assert (found["forces"] - exact["forces"]).square().mean().sqrt() < 2 * accuracy * typical
    assert found["energy"].item() == pytest.approx(exact["energy"].item(), rel=accuracy)
    torch.testing.assert_close(found["stress"], exact["stress"], rtol=0, atol=20 * accuracy)


def test_splines_sum_to_one_and_the_mesh_holds_all_charges():
    generator = torch.Generator().manual_seed(0)
    fractions = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(splines(fractions).sum(-1), torch.ones_like(fractions))
    assert float(splines(fractions).min()) >= 0
    cell = torch.as_tensor(crystal().cell[:])
    density = spread_charges(30 * fractions - 15, fractions[:, 0], cell, (8, 9, 10))  # far outside of the cell
    assert density.sum().item() == pytest.approx(fractions[:, 0].sum().item(), rel=1e-12)


def test_mesh_sizes_have_small_factors_only():
    assert [mesh_points(n) for n in (0.5, 7.2, 17.0, 97.0)] == [8, 8, 18, 100]


def test_waves_through_a_mesh_have_second_derivatives_of_the_plain_sum():
    atoms, charges = oblique()
    cell = torch.as_tensor(atoms.cell[:])

    def curvature(waves):
        positions = torch.as_tensor(atoms.positions).requires_grad_(True)
        q = torch.as_tensor(charges).requires_grad_(True)
        total = waves(positions, q, cell, 1.1, 1e-9)
        slopes = torch.autograd.grad(total, (positions, q), create_graph=True)
        mixture = sum((slope * (torch.arange(slope.numel()).reshape(slope.shape) + 1)).sum() for slope in slopes)
        return torch.cat([g.flatten() for g in torch.autograd.grad(mixture, (positions, q))])

    torch.testing.assert_close(curvature(mesh_energy), curvature(wave_energy), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("separation", [6.0, 9.0])
def test_two_planes_of_charge_have_the_energy_of_a_capacitor(separation):
    """Between planes the force per charge is 2 pi k_e q / A, whatever the distance."""
    side, charge, height = 3.0, 0.4, 40.0

    def layers(distance):
        positions = [[0, 0, 1.0], [1.1, 0.7, 1.0 + distance]]
        atoms = Atoms("HH", positions, cell=[side, side, height], pbc=(True, True, False))
        return energy(atoms, [charge, -charge])

    work = (layers(separation + 1.0) - layers(separation)).item()
    assert work == pytest.approx(2 * math.pi * units.coulomb * charge**2 / side**2, rel=1e-4)


def test_a_slab_does_not_feel_its_images():
    near, charges = polar_slab(vacuum=14.0)
    far, _ = polar_slab(vacuum=60.0)
    far.positions = near.positions
    outputs = ("energy", "forces")
    found, expected = (evaluate(atoms, charges, outputs) for atoms in (near, far))
    torch.testing.assert_close(found["energy"], expected["energy"], rtol=0, atol=2e-4)
    torch.testing.assert_close(found["forces"], expected["forces"], rtol=0, atol=2e-4)
    bulk_like = near.copy()
    bulk_like.pbc = True
    assert abs(energy(bulk_like, charges) - found["energy"]).item() > 1.0


def test_a_slab_is_the_limit_of_a_crystal_with_ever_more_vacuum():
    atoms, charges = polar_slab()
    expected = energy(atoms, charges).item()
    dipole = float((charges * atoms.positions[:, 2]).sum())
    for vacuum in (100.0, 200.0):
        periodic, _ = polar_slab(vacuum=vacuum)
        periodic.positions, periodic.pbc = atoms.positions, True
        missing = 2 * math.pi * units.coulomb * dipole**2 / periodic.get_volume()
        assert energy(periodic, charges).item() == pytest.approx(expected - missing, abs=2e-4)


def test_it_does_not_matter_which_lattice_vector_leaves_the_surface_nor_how_it_leans():
    atoms, charges = polar_slab(vacuum=20.0)
    expected = energy(atoms, charges)
    leaning = atoms.copy()
    leaning.cell[2] += [2.0, 1.0, 0.0]
    turned = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell[:][[2, 0, 1]], pbc=atoms.pbc[[2, 0, 1]])
    turned.rotate(33.0, (1, 2, 3), rotate_cell=True)
    for same in (leaning, turned):
        torch.testing.assert_close(energy(same, charges), expected, rtol=0, atol=1e-4)
    assert not np.allclose(turned.cell[1], atoms.cell[0])
