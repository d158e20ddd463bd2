"""The electrostatic term: Coulomb's law for molecules and crystals in one batch, its derivatives and refusals."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from atnn import units
from atnn.errors import DataError
from atnn.neighbors import molecular_pairs
from atnn.physics import ElectrostaticsSpecification
from atnn.physics.coulomb import damped_coulomb, molecular_energies
from atnn.structures import Structures
from physics.electrostatic_systems import (
    energy,
    evaluate,
    mixed_systems,
    neutral,
    oblique,
    polar_slab,
    total,
    water_charges,
)
from systems import crystal, ethanol, water_box


def spookynet(r, cutoff):
    """Damped 1/r as SpookyNet's code writes it, from numbers typed in here."""
    x = (r - 0.25 * cutoff) / (0.5 * cutoff)
    if x <= 0 or x >= 1:
        switch = float(x <= 0)
    else:
        rising, falling = np.exp(-1 / x), np.exp(-1 / (1 - x))
        switch = falling / (rising + falling)
    return switch / np.sqrt(r**2 + 1) + (1 - switch) / r


@pytest.mark.parametrize("damping", [2.0, 5.29177])
@pytest.mark.parametrize("part", [0.01, 0.24, 0.26, 0.3, 0.5, 0.7, 0.74, 0.76, 3.0])
def test_the_damped_law_is_spookynets(damping, part):
    found = damped_coulomb(torch.tensor([part * damping], dtype=torch.float64), damping).item()
    assert found == pytest.approx(spookynet(part * damping, damping), rel=1e-12)


def test_molecules_have_the_sum_of_all_pairs():
    atoms = ethanol()
    charges = neutral(len(atoms)) + 0.1
    pairs = [(i, j) for i in range(len(atoms)) for j in range(i)]
    for damping, law in ((0.0, lambda r: 1 / r), (5.0, lambda r: spookynet(r, 5.0))):
        expected = units.coulomb * sum(charges[i] * charges[j] * law(atoms.get_distance(i, j)) for i, j in pairs)
        assert energy(atoms, charges, damping=damping).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", [8.0, 15.0, 1000.0])
def test_ions_far_apart_follow_coulombs_law(distance):
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [distance, 0, 0]])
    result = evaluate(atoms, [1.0, -1.0], ("energy", "forces"))
    assert result["energy"].item() == pytest.approx(-units.coulomb / distance, rel=1e-12)
    assert result["forces"][0, 0].item() == pytest.approx(units.coulomb / distance**2, rel=1e-12)


def test_every_pair_of_a_molecule_is_counted_once_and_none_of_a_crystal():
    batch = Structures.from_ase([ethanol(), crystal(), Atoms("O"), Atoms("CO", positions=[[0, 0, 0], [0, 0, 1]])])
    found = set(zip(*(part.tolist() for part in molecular_pairs(batch.batch, ~batch.pbc.any(1))), strict=True))
    assert found == {(i, j) for i in range(9) for j in range(i + 1, 9)} | {(14, 15)}


@pytest.mark.parametrize("part", [0.99, 1.01])
def test_the_damped_law_is_smooth_where_its_switch_ends(part):
    for end in (0.25, 0.75):
        r = torch.tensor([end * 5.0 * part], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(damped_coulomb(r, 5.0).sum(), r)
        outside = 1 / r**2 if end == 0.75 else r * (r * r + 1) ** -1.5
        assert slope.item() == pytest.approx(-outside.item(), rel=1e-6)


def test_energies_of_molecules_have_exact_first_and_second_derivatives():
    positions = torch.tensor([[0, 0, 0], [1.6, 0.2, 0], [0.3, 2.4, 0.4], [0.1, -0.3, 3.1]], dtype=torch.float64)
    structures = Structures.from_ase([Atoms("OH", positions[:2].numpy()), Atoms("OH", positions[2:].numpy())])
    charges = torch.tensor([0.4, -0.6, 0.9, -0.2], dtype=torch.float64)

    pairs = molecular_pairs(structures.batch, ~structures.pbc.any(1))

    def total(x, q):
        return molecular_energies(pairs, structures.replace(positions=x), 5.0, q)

    arguments = (structures.positions.requires_grad_(True), charges.requires_grad_(True))
    assert torch.autograd.gradcheck(total, arguments)
    assert torch.autograd.gradgradcheck(total, arguments)


SYSTEMS = {
    "ethanol": lambda: (ethanol(), neutral(9)),
    "crystal": lambda: (crystal(), neutral(4)),
    "charged crystal": lambda: (crystal(), neutral(4) + 0.2),
    "water": lambda: (water_box(2), water_charges(water_box(2))),
    "slab": polar_slab,
    "oblique": oblique,
}


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_equal_finite_differences(name, method):
    atoms, charges = SYSTEMS[name]()
    options = {"method": method, "background": "uniform", "cutoff": 5.0}
    s = Structures.from_ase(atoms)
    forces, step = evaluate(s, charges, ("forces",), **options)["forces"], 1e-4
    for atom, axis in ((0, 0), (1, 2), (-1, 1)):
        energies = []
        for sign in (1, -1):
            positions = s.positions.clone()
            positions[atom, axis] += sign * step
            energies.append(energy(s.replace(positions=positions), charges, **options).item())
        slope = -(energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis].item() == pytest.approx(slope, rel=1e-5, abs=2e-5)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_virial_equals_finite_differences_of_a_strain(name, method):
    atoms, charges = SYSTEMS[name]()
    options = {"method": method, "background": "uniform", "cutoff": 5.0}
    s = Structures.from_ase(atoms)
    virial, step = evaluate(s, charges, ("virial",), **options)["virial"][0], 1e-5
    torch.testing.assert_close(virial, virial.T)
    for a, b in ((0, 0), (2, 2), (0, 1), (1, 2)):
        energies = []
        for sign in (1, -1):
            strain = torch.eye(3, dtype=torch.float64)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            moved = s.replace(positions=s.positions @ strain, cell=s.cell @ strain)
            energies.append(energy(moved, charges, **options).item())
        slope = -(energies[0] - energies[1]) / (2 * step)
        assert virial[a, b].item() == pytest.approx(slope, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("method", ["auto", "ewald", "mesh"])
def test_molecules_crystals_and_slabs_in_a_batch_are_as_alone(method):
    outputs = ("energy", "forces", "virial")
    atoms, charges = zip(*mixed_systems(), strict=True)
    batch = evaluate(atoms, np.concatenate(charges), outputs, method=method)
    alone = [evaluate(a, q, outputs, method=method) for a, q in mixed_systems()]
    for name in outputs:
        torch.testing.assert_close(batch[name], torch.cat([one[name] for one in alone]), rtol=1e-9, atol=1e-9)
    assert batch["energy"][-1].item() == 0.0


def test_pairs_beyond_the_cutoff_do_not_matter():
    atoms, charges = zip(*mixed_systems(), strict=True)
    s, q = Structures.from_ase(atoms), torch.as_tensor(np.concatenate(charges))
    torch.testing.assert_close(total(s, q, skin=2.0), total(s, q, skin=1e-9), rtol=1e-12, atol=1e-12)


def test_the_order_of_atoms_does_not_matter():
    for atoms, charges in mixed_systems():
        order = np.random.default_rng(0).permutation(len(atoms))
        result = evaluate(atoms, charges, ("energy", "forces"))
        permuted = evaluate(atoms[order], charges[order], ("energy", "forces"))
        torch.testing.assert_close(permuted["energy"], result["energy"], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(permuted["forces"], result["forces"][order], rtol=1e-9, atol=1e-9)


def test_rotations_and_translations_leave_the_energy():
    for atoms, charges in mixed_systems():
        moved = atoms.copy()
        moved.rotate(40.0, (1, 2, 3), rotate_cell=True)
        moved.translate([3.1, -17.0, 1.4])
        torch.testing.assert_close(energy(moved, charges), energy(atoms, charges), rtol=0, atol=1e-5)


def test_a_supercell_has_the_energy_of_its_cells():
    for atoms, charges in ((crystal(), neutral(4)), oblique(2)):
        large = atoms.repeat((3, 3, 4))  # so many atoms that they go through a mesh
        found = evaluate(large, np.tile(charges, 36), ("energy", "forces"))
        expected = evaluate(atoms, charges, ("energy", "forces"))
        assert found["energy"].item() == pytest.approx(36 * expected["energy"].item(), rel=1e-6)
        repeated = expected["forces"].repeat(36, 1)
        torch.testing.assert_close(found["forces"], repeated, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
def test_single_precision_is_near_double(method):
    for atoms, charges in mixed_systems():
        options = {"outputs": ("energy", "forces"), "method": method}
        double, single = (evaluate(atoms, charges, dtype=t, **options) for t in (torch.float64, torch.float32))
        assert single["energy"].dtype == torch.float64 and single["forces"].dtype == torch.float32
        scale = units.coulomb * float(np.square(charges).sum())
        assert single["energy"].item() == pytest.approx(double["energy"].item(), abs=1e-5 * scale)
        torch.testing.assert_close(single["forces"].double(), double["forces"], rtol=0, atol=2e-4)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
def test_the_gradient_by_the_charges_is_the_potential(method):
    """The energy is a quadratic form of the charges, so that q dE/dq = 2 E in every structure."""
    for atoms, charges in mixed_systems():
        s, q = Structures.from_ase(atoms), torch.as_tensor(charges).requires_grad_(True)
        found = total(s, q, method=method)
        (potential,) = torch.autograd.grad(found.sum(), q)
        assert (q * potential).sum().item() == pytest.approx(2 * found.item(), rel=1e-9, abs=1e-12)


def refused(atoms, charges, match, **specification):
    with pytest.raises(DataError, match=match) as error:
        energy([ethanol(), atoms], np.concatenate([np.zeros(9), charges]), **specification)
    return str(error.value)


def test_a_charged_cell_needs_a_stated_background():
    message = refused(crystal(), [1.0, 0.0, 0.0, 0.0], "infinite without a background")
    assert "index 1" in message and "`background: uniform`" in message
    assert energy(crystal(), [1.0, 0.0, 0.0, 0.0], background="uniform").isfinite().all()
    assert energy(ethanol(), np.full(9, 0.1)).isfinite().all()  # a charged molecule needs none


def test_a_charged_slab_is_refused():
    atoms, charges = polar_slab()
    refused(atoms, charges + 0.1, "charged slab", background="uniform")


def test_one_periodic_direction_is_refused():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.pbc = (False, True, False)
    refused(atoms, [1.0, -1.0], "periodic along one direction")


def test_a_slab_without_a_third_vector_is_refused():
    atoms, charges = polar_slab()
    atoms.cell[2] = 0.0
    refused(atoms, charges, "no third vector")


@pytest.mark.parametrize("vacuum", [3.0, 6.5])
def test_a_slab_without_vacuum_is_refused_with_the_length_it_needs(vacuum):
    atoms, charges = polar_slab(vacuum=vacuum)
    with pytest.raises(DataError, match="Angstrom of vacuum") as error:
        energy(atoms, charges)
    needed = float(str(error.value).split("at least ")[1].split()[0])
    atoms.cell[2, 2] = needed + 0.1
    assert energy(atoms, charges).isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [{"damping": 9.0}, {"cutoff": 0.0}, {"accuracy": 0.5}, {"background": "some"}, {"method": "magic"}, {"range": 3}],
)
def test_specifications_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        ElectrostaticsSpecification(**wrong)
