"""Atomic dipoles beside charges: against pairs of opposite charges, lattices of the literature and torch-pme."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation
from torchpme import CalculatorDipole, PotentialDipole

from atnn import units
from atnn.neighbors import edges, neighbor_pairs
from atnn.physics.coulomb import damped_coulomb, damped_coulomb_derivatives
from atnn.physics.ewald import screened_coulomb, screened_coulomb_derivatives, wave_energy
from atnn.physics.mesh import mesh_energy
from atnn.structures import Structures
from physics.electrostatic_systems import energy, evaluate, neutral, polar_slab, total
from references.loading import reference
from systems import crystal, ethanol

SYSTEMS = {"ethanol": (ethanol(), neutral(9)), "crystal": (crystal(), neutral(4) + 0.2), "slab": polar_slab()}


def random_dipoles(count, seed=0):
    return 0.3 * np.random.default_rng(seed).normal(size=(count, 3))


def of_point_charges(atoms, charges, dipoles, distance, **options):
    """Energy of three charges in place of each atom, two of them for its dipole, less that of each three alone."""
    sizes = np.linalg.norm(dipoles, axis=1)
    steps = 0.5 * distance * dipoles / sizes[:, None]
    positions = np.stack([atoms.positions, atoms.positions + steps, atoms.positions - steps])
    points = np.stack([charges, sizes / distance, -sizes / distance])
    whole = Atoms(np.tile(atoms.numbers, 3), positions.reshape(-1, 3), cell=atoms.cell, pbc=atoms.pbc)
    own = [Atoms("H3", positions[:, i]) for i in range(len(atoms))]
    return (energy(whole, points.ravel(), **options) - energy(own, points.T.ravel(), **options).sum()).item()


@pytest.mark.parametrize("damping", [5.0, 0.0])
@pytest.mark.parametrize("name", SYSTEMS)
def test_dipoles_are_the_limit_of_opposite_charges_that_come_together(name, damping):
    atoms, charges = SYSTEMS[name]
    dipoles = random_dipoles(len(atoms))
    options = {"damping": damping, "accuracy": 1e-11, "cutoff": 5.0, "background": "uniform"}
    coarse, fine = (of_point_charges(atoms, charges, dipoles, h, **options) for h in (0.04, 0.02))
    found = energy(atoms, charges, dipoles=dipoles, **options).item()
    assert found == pytest.approx((4 * fine - coarse) / 3, abs=2e-6)
    assert abs(found - energy(atoms, charges, **options).item()) > 1e-3


@pytest.mark.parametrize(("charges", "dipoles", "expected"), [
    ([1, 0], [0, 0.7], -0.7 / 64), ([0, 1], [0.7, 0], 0.7 / 64), ([0, 0], [0.5, 0.7], -2 * 0.35 / 512)
])  # fmt: skip
def test_along_a_line_far_apart_they_have_the_textbook_energies(charges, dipoles, expected):
    atoms = Atoms("HH", positions=[[0, 0, 0], [0, 0, 8.0]])
    found = energy(atoms, np.array(charges, float), dipoles=[[0, 0, d] for d in dipoles]).item()
    assert found == pytest.approx(units.coulomb * expected, rel=1e-12)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("lattice", ["sc", "bcc", "fcc"])
def test_parallel_dipoles_on_cubic_lattices_feel_the_field_of_lorentz(lattice, method):
    """Surrounded by a conductor, the field at a site of cubic symmetry is 4 pi / 3 times the polarisation."""
    atoms, dipole = bulk("Na", lattice, a=4.7), np.array([0.1, -0.2, 0.3])
    expected = -2 * math.pi / 3 * units.coulomb * dipole @ dipole / atoms.get_volume()
    options = {"dipoles": dipole[None], "damping": 0.0, "accuracy": 1e-9, "method": method}
    assert energy(atoms, [0.0], **options).item() == pytest.approx(expected, rel=1e-6)


def test_antiparallel_columns_have_the_energy_of_luttinger_and_tisza():
    atoms = bulk("Na", "sc", a=4.7) * (2, 2, 1)
    signs = np.cos(np.pi * np.round(atoms.positions[:, :2] / 4.7).sum(1))
    found = energy(atoms, np.zeros(4), dipoles=signs[:, None] * [0, 0, 1.0], damping=0.0).item() / 4
    assert -2 * found * 4.7**3 / units.coulomb == pytest.approx(reference("dipole_columns"), rel=1e-3)


def test_dipoles_in_a_triclinic_crystal_have_the_energy_of_torch_pme():
    s, dipoles = Structures.from_ase(crystal()), torch.as_tensor(random_dipoles(4))
    pairs = edges(s, neighbor_pairs(s, 9.0))
    calculator = CalculatorDipole(PotentialDipole(smearing=1.2), full_neighbor_list=True, lr_wavelength=0.4).double()
    fields = calculator(dipoles, s.cell[0], s.positions, torch.stack([pairs.i, pairs.j], 1), pairs.vectors)
    expected = units.coulomb * (dipoles * fields).sum().item()
    found = energy(crystal(), np.zeros(4), dipoles=dipoles, damping=0.0, accuracy=1e-9).item()
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("law", [
    (lambda r: damped_coulomb(r, 5.0), lambda r: damped_coulomb_derivatives(r, 5.0)),
    (lambda r: screened_coulomb(r, 1.1), lambda r: screened_coulomb_derivatives(r, 1.1)),
])  # fmt: skip
def test_radial_derivatives_are_those_of_the_potential(law):
    r = torch.linspace(0.3, 5.5, 40, dtype=torch.float64, requires_grad=True)
    expected = [law[0](r)]
    for _ in range(2):
        expected.append(torch.autograd.grad(expected[-1].sum(), r, create_graph=True)[0] / r)
    for found, value in zip(law[1](r), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_and_virial_equal_finite_differences(name, method):
    atoms, charges = SYSTEMS[name]
    options = {"method": method, "background": "uniform", "cutoff": 5.0, "dipoles": random_dipoles(len(atoms))}
    s, rng, step = Structures.from_ase(atoms), np.random.default_rng(1), 1e-4
    found = evaluate(s, charges, ("forces", "virial"), **options)
    moves, strain = torch.as_tensor(rng.normal(size=s.positions.shape)), torch.as_tensor(rng.normal(size=(3, 3)))
    strain = strain + strain.T
    expected = {"forces": (found["forces"] * moves).sum(), "virial": (found["virial"][0] * strain).sum()}
    for quantity, slope in expected.items():
        energies = []
        for h in (step, -step):
            matrix = torch.eye(3) + (h * strain if quantity == "virial" else 0)
            positions = s.positions @ matrix.double() + (h * moves if quantity == "forces" else 0)
            energies.append(energy(s.replace(positions=positions, cell=s.cell @ matrix.double()), charges, **options))
        assert slope.item() == pytest.approx((energies[1] - energies[0]).item() / (2 * step), rel=2e-5, abs=1e-4)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_derivatives_by_charges_and_dipoles_and_second_ones_are_right(name, method):
    atoms, charges = SYSTEMS[name]
    s, rng = Structures.from_ase(atoms), np.random.default_rng(2)
    start = [s.positions, torch.as_tensor(charges), torch.as_tensor(random_dipoles(len(atoms)))]
    way = [torch.as_tensor(rng.normal(size=x.shape)) for x in start]
    way[1] -= way[1].mean()

    def gradients(step):
        x, q, mu = (x.add(step * w).requires_grad_(True) for x, w in zip(start, way, strict=True))
        found = total(s.replace(positions=x), q, dipoles=mu, method=method, background="uniform")
        return found, (x, q, mu), torch.autograd.grad(found.sum(), (x, q, mu), create_graph=True)

    found, (x, q, mu), first = gradients(0.0)
    assert ((q * first[1]).sum() + (mu * first[2]).sum()).item() == pytest.approx(2 * found.item(), rel=1e-9)
    curvature = torch.autograd.grad(sum((g * w).sum() for g, w in zip(first, way, strict=True)), (x, q, mu))
    (ahead, _, after), (behind, _, before) = gradients(1e-5), gradients(-1e-5)
    slope = sum((g * w).sum() for g, w in zip(first, way, strict=True))
    assert slope.item() == pytest.approx((ahead - behind).item() / 2e-5, rel=1e-6)
    for second, above, below in zip(curvature, after, before, strict=True):
        torch.testing.assert_close(second, (above - below) / 2e-5, rtol=1e-5, atol=1e-4)


def test_batch_precision_and_rotation():
    outputs = ("energy", "forces")
    cases = [(atoms, charges, random_dipoles(len(atoms))) for atoms, charges in SYSTEMS.values()]
    atoms, charges, dipoles = zip(*cases, strict=True)
    batch = [np.concatenate(part) for part in (charges, dipoles)]
    options = {"background": "uniform", "method": "mesh"}
    found = evaluate(atoms, batch[0], outputs, dipoles=batch[1], **options)
    single = evaluate(atoms, batch[0], outputs, dtype=torch.float32, dipoles=batch[1], **options)
    alone = [evaluate(a, q, outputs, dipoles=mu, **options) for a, q, mu in cases]
    matrix = Rotation.from_rotvec([0.4, 0.2, -0.9]).as_matrix()
    for a in atoms:
        a.set_cell(a.cell[:] @ matrix.T)
        a.positions = a.positions @ matrix.T
    turned = evaluate(atoms, batch[0], outputs, dipoles=batch[1] @ matrix.T, **options)
    for name in outputs:
        torch.testing.assert_close(found[name], torch.cat([one[name] for one in alone]), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(single[name].double(), found[name], rtol=2e-6, atol=5e-4)
    torch.testing.assert_close(turned["energy"], found["energy"], rtol=0, atol=1e-9)
    torch.testing.assert_close(turned["forces"], found["forces"] @ torch.as_tensor(matrix).T, rtol=0, atol=1e-8)


@pytest.mark.parametrize("accuracy", [1e-4, 1e-6])
def test_a_mesh_gives_forces_of_the_full_sum_to_the_stated_accuracy(accuracy):
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (3, 3, 3)
    atoms.rattle(0.2, seed=6)
    charges, outputs = np.where(atoms.numbers == 11, 1.0, -1.0), ("energy", "forces")
    dipoles = random_dipoles(len(atoms))
    exact = evaluate(atoms, charges, outputs, dipoles=dipoles, method="ewald", accuracy=1e-11)
    found = evaluate(atoms, charges, outputs, dipoles=dipoles, method="mesh", accuracy=accuracy)
    assert (found["forces"] - exact["forces"]).square().mean().sqrt() < 2 * accuracy * units.coulomb
    assert found["energy"].item() == pytest.approx(exact["energy"].item(), rel=accuracy)


def test_waves_of_dipoles_through_a_mesh_equal_plain_ones():
    atoms, charges = SYSTEMS["crystal"]
    arguments = (torch.as_tensor(atoms.positions), torch.as_tensor(charges), torch.as_tensor(atoms.cell[:]), 1.1, 1e-9)
    dipoles = torch.as_tensor(random_dipoles(4))
    found, expected = mesh_energy(*arguments, dipoles), wave_energy(*arguments, dipoles)
    assert found.item() == pytest.approx(expected.item(), rel=1e-7)
