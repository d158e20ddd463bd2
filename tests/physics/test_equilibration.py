"""Equilibrated charges against solutions by hand, plain linear algebra and sums of Gaussian charges."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii
from pydantic import ValidationError
from scipy.special import erf

from atnn import units
from atnn.errors import DataError, SpecificationError
from atnn.functions import Species
from atnn.model import Model, ModelSpecification, load_model, save_model
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.physics import Equilibration, EquilibrationSpecification
from atnn.physics.equilibration import molecular_interactions, periodic_interactions
from atnn.physics.opaque import call_opaque
from atnn.structures import Structures
from contracts.models import NAMES, evaluate, small_model
from physics.electrostatic_systems import energy, mixed_systems, neutral, oblique, polar_slab
from systems import crystal, ethanol

NUMBERS = (1, 6, 8, 11, 14, 17)


def solver(**specification):
    return Equilibration(EquilibrationSpecification(**specification), Species(NUMBERS))


def widths_of(module, numbers):
    return module.widths.double()[torch.bucketize(numbers, torch.tensor(NUMBERS))]


def parameters(numbers, seed=0):
    """Electronegativity and hardness of every atom."""
    rng = np.random.default_rng(seed)
    return 4 + rng.normal(size=len(numbers)), 8 + 3 * rng.random(len(numbers))


def equilibrate(atoms, chi, hardness, dtype=torch.float64, **specification):
    """Charges for electronegativities [eV/e] and hardnesses [eV/e^2] of every atom."""
    structures = atoms if isinstance(atoms, Structures) else Structures.from_ase(atoms)
    s, module = structures.to(dtype=dtype), solver(**specification)
    chi, hardness = (torch.as_tensor(x, dtype=dtype) / units.coulomb for x in (chi, hardness))
    constants = (s.total_charge, s.pbc, widths_of(module, s.numbers), s.batch)
    return call_opaque("equilibration", (s.positions, s.cell, chi, hardness), constants, module.settings)


def matrix(atoms, **specification):
    """Coulomb matrix of the Gaussian charges of one structure [1/Angstrom]."""
    module, s = solver(**specification), Structures.from_ase(atoms)
    widths = widths_of(module, s.numbers)
    if not s.pbc.any():
        return molecular_interactions(s.positions[None], widths[None])[0].numpy()
    return periodic_interactions(s.positions, widths, s.cell[0], s.pbc[0], module.settings).numpy()


def charged(atoms, charge):
    atoms = atoms.copy()
    atoms.info["charge"] = charge
    return atoms


@pytest.mark.parametrize("total", [0.0, -1.0])
def test_a_diatomic_has_the_charges_solved_by_hand(total):
    """Equal potentials: chi_1 + a_1 q_1 + b q_2 = chi_2 + a_2 q_2 + b q_1 with q_1 + q_2 = Q."""
    distance, chi, hardness = 1.3, (5.3, 8.7), (9.0, 13.0)
    atoms = charged(Atoms("CO", positions=[[0, 0, 0], [0, 0, distance]]), total)
    radii = covalent_radii[6], covalent_radii[8]
    own = [j + units.coulomb / (math.sqrt(math.pi) * r) for j, r in zip(hardness, radii, strict=True)]
    between = units.coulomb * math.erf(distance / math.sqrt(2 * (radii[0] ** 2 + radii[1] ** 2))) / distance
    expected = (chi[1] - chi[0] + total * (own[1] - between)) / (own[0] + own[1] - 2 * between)
    found = equilibrate(atoms, chi, hardness)
    assert found.tolist() == pytest.approx([expected, total - expected], rel=1e-12)


@pytest.mark.parametrize("width", [0.7, 1.0])
def test_a_molecule_has_the_charges_of_plain_linear_algebra(width):
    atoms = charged(ethanol(), 1.0)
    chi, hardness = parameters(atoms.numbers)
    sigma, n = width * covalent_radii[atoms.numbers], len(atoms)
    distances = atoms.get_all_distances() + np.eye(n)
    coulomb = erf(distances / np.sqrt(2 * (sigma[:, None] ** 2 + sigma**2))) / distances
    np.fill_diagonal(coulomb, 1 / (np.sqrt(np.pi) * sigma))
    a = units.coulomb * coulomb + np.diag(hardness)
    # Without a multiplier: the unconstrained minimum, moved along the response to a common potential.
    free, response = np.linalg.solve(a, -chi), np.linalg.solve(a, np.ones(n))
    expected = free + response * (1.0 - free.sum()) / response.sum()
    found = equilibrate(atoms, chi, hardness, width=width)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def gaussian_lattice(atoms, sigma, reach=14.0):
    """Coulomb matrix of Gaussian charges in a uniform background, summed over waves alone [1/Angstrom]."""
    reciprocal = 2 * np.pi * np.linalg.inv(atoms.cell[:]).T
    limits = [int(reach * np.linalg.norm(a) / (2 * np.pi)) for a in atoms.cell[:]]
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in limits], indexing="ij"), -1).reshape(-1, 3)
    waves = grid[(grid != 0).any(1)] @ reciprocal
    squared = (waves**2).sum(1)[:, None]
    amplitudes = np.exp(-0.5 * squared * sigma**2 + 1j * waves @ atoms.positions.T)
    return 4 * np.pi / atoms.get_volume() * np.real(amplitudes.T @ (amplitudes.conj() / squared))


@pytest.mark.parametrize("width", [0.6, 1.4])
def test_the_matrix_of_a_crystal_is_that_of_a_lattice_of_gaussian_charges(width):
    for atoms in (crystal(), oblique()[0]):
        expected = gaussian_lattice(atoms, width * covalent_radii[atoms.numbers])
        np.testing.assert_allclose(matrix(atoms, width=width, accuracy=1e-9), expected, rtol=0, atol=1e-8)


def test_the_matrix_does_not_depend_on_how_its_sum_is_split(monkeypatch):
    expected = matrix(crystal(), accuracy=1e-10)
    monkeypatch.setattr("atnn.physics.equilibration.NARROWEST", 2.3)
    np.testing.assert_allclose(matrix(crystal(), accuracy=1e-10), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("system", [oblique, polar_slab])
def test_charges_far_narrower_than_their_distance_interact_as_points(system):
    atoms, charges = system()
    sigma = 0.1 * covalent_radii[atoms.numbers]
    found = 0.5 * charges @ matrix(atoms, width=0.1) @ charges - 0.5 * (charges**2 / (np.sqrt(np.pi) * sigma)).sum()
    assert units.coulomb * found == pytest.approx(energy(atoms, charges, damping=0.0).item(), abs=1e-4)


def test_charges_minimise_the_energy():
    atoms = crystal()
    chi, hardness = parameters(atoms.numbers)
    a = units.coulomb * matrix(atoms) + np.diag(hardness)
    found = equilibrate(atoms, chi, hardness)
    q = found.numpy()
    np.testing.assert_allclose(np.ptp(chi + a @ q), 0.0, atol=1e-10)  # one potential on all atoms
    for seed in range(5):
        other = q + 0.1 * neutral(len(q), seed)
        assert chi @ other + 0.5 * other @ a @ other > chi @ q + 0.5 * q @ a @ q + 1e-3


def with_parameters():
    return [(atoms, *parameters(atoms.numbers, seed)) for seed, (atoms, _) in enumerate(mixed_systems())]


def test_molecules_crystals_and_slabs_in_a_batch_are_as_alone_and_conserve_charge():
    cases = [(charged(atoms, float(not atoms.pbc.any())), *rest) for atoms, *rest in with_parameters()]
    atoms, chi, hardness = zip(*cases, strict=True)
    batch = equilibrate(atoms, np.concatenate(chi), np.concatenate(hardness))
    alone = [equilibrate(*case) for case in cases]
    torch.testing.assert_close(batch, torch.cat(alone), rtol=0, atol=1e-12)
    sums = [one.sum().item() for one in alone]
    assert sums == pytest.approx([a.info["charge"] for a in atoms], abs=1e-13)


def test_the_order_of_atoms_does_not_matter():
    for atoms, chi, hardness in with_parameters():
        order = np.random.default_rng(0).permutation(len(atoms))
        permuted = equilibrate(atoms[order], chi[order], hardness[order])
        torch.testing.assert_close(permuted, equilibrate(atoms, chi, hardness)[order], rtol=0, atol=1e-10)


def test_a_supercell_has_the_charges_of_its_cells():
    chi, hardness = parameters(crystal().numbers)
    large = equilibrate(crystal().repeat((2, 3, 2)), np.tile(chi, 12), np.tile(hardness, 12))
    expected = equilibrate(crystal(), chi, hardness)
    torch.testing.assert_close(large, expected.repeat(12), rtol=0, atol=1e-6)


def test_single_precision_is_near_double():
    for case in with_parameters():
        double, single = equilibrate(*case), equilibrate(*case, dtype=torch.float32)
        torch.testing.assert_close(single, double, rtol=0, atol=2e-6)


@pytest.mark.parametrize("periodic", [False, True])
def test_charges_have_exact_first_and_second_derivatives_by_all_that_enters(periodic):
    atoms = Atoms("NaClO", positions=[[0, 0, 0], [2.3, 0.2, 0], [0.3, 1.9, 0.4]], cell=np.diag([5.0, 4.6, 4.3]))
    atoms.pbc = periodic
    s, (chi, hardness) = Structures.from_ase(atoms), parameters(atoms.numbers)

    def solve(positions, cell, chi, hardness):
        return equilibrate(s.replace(positions=positions, cell=cell), chi, hardness, accuracy=1e-5)

    arguments = (s.positions, s.cell, torch.as_tensor(chi), torch.as_tensor(hardness))
    arguments = tuple(x.requires_grad_(True) for x in arguments)
    assert torch.autograd.gradcheck(solve, arguments)
    assert torch.autograd.gradgradcheck(solve, arguments, atol=1e-4, fast_mode=True)


def test_charged_cells_need_a_stated_background_and_slabs_vacuum():
    chi, hardness = parameters(crystal().numbers)
    with pytest.raises(DataError, match="infinite without a background"):
        equilibrate(charged(crystal(), 1.0), chi, hardness)
    found = equilibrate(charged(crystal(), 1.0), chi, hardness, background="uniform")
    assert found.sum().item() == pytest.approx(1.0, abs=1e-13)
    slab, _ = polar_slab(vacuum=5.0)
    with pytest.raises(DataError, match="Angstrom of vacuum"):
        equilibrate(slab, *parameters(slab.numbers))


@pytest.mark.parametrize("wrong", [{"width": 0.0}, {"accuracy": 1.0}, {"background": "some"}, {"widths": 1.0}])
def test_specifications_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        EquilibrationSpecification(**wrong)


EXACT = {"background": "uniform", "accuracy": 1e-10}  # sums whose ends finite differences do not see


TERMS = ({"name": "electrostatics", **EXACT}, {"name": "d4", "functional": "pbe", "cutoff": 7.0})


def model(name, terms=TERMS, charges_in_energy=True):
    """One with large charges by equilibration."""
    plain = small_model(name, NUMBERS, outputs=("energy", "charges"), terms=terms).specification.model_dump()
    charges = {"name": "equilibration", **EXACT}
    made = Model(
        ModelSpecification(**plain | {"charges": charges, "charges_in_energy": charges_in_energy}), seed=1
    ).double()
    last = made.parts["charges"].network.layers[-1]
    last.weight.data.mul_(10.0)
    last.bias.data[:, 0, 0] = torch.linspace(-0.5, 0.5, len(NUMBERS))
    return made


def systems():
    """A charged molecule, a charged crystal and a slab."""
    return Structures.from_ase([charged(ethanol(), 1.0), charged(crystal(), -0.5), polar_slab(vacuum=18.0)[0]])


@pytest.mark.parametrize("name", NAMES)
def test_models_of_every_representation_have_the_forces_and_the_virial_of_charges_that_follow_the_positions(name):
    m, s, step = model(name), systems(), 1e-4
    found = evaluate(m, s, ("energy", "forces", "virial", "charges"))
    assert found["charges"].abs().max() > 0.1

    def slope(change):
        a, b, c, d = (evaluate(m, change(k * step), ("energy",))["energy"].sum().item() for k in (2, 1, -1, -2))
        return (8 * (b - c) - a + d) / (12 * step)

    def moved(width):
        positions = s.positions.clone()
        positions[[2, 10, 16], [0, 1, 2]] += width
        return s.replace(positions=positions)

    def sheared(width):
        strain = torch.eye(3, dtype=torch.float64)
        strain[0, 1] += width / 2
        strain[1, 0] += width / 2
        return s.replace(positions=s.positions @ strain, cell=s.cell @ strain)

    forces = found["forces"][[2, 10, 16], [0, 1, 2]].sum().item()
    assert forces == pytest.approx(-slope(moved), rel=1e-6, abs=1e-5)
    assert found["virial"][:, 0, 1].sum().item() == pytest.approx(-slope(sheared), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("name", ["acsf", "nemp"])
def test_calibration_leaves_a_tenth_of_a_charge_to_be_seen_beside_large_invariants(name):
    m, s = model(name), systems()
    m.start(Statistics(), s, neighbor_pairs(s, m.cutoff))
    charge = torch.zeros(1, m.parts["energy"].network.mean.shape[0], dtype=torch.float64)
    charge[0, -1] = 0.1
    network = m.parts["energy"].network
    assert ((charge - network.mean) / network.spread)[0, -1] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["eann", "spookynet"])
def test_a_model_gives_in_a_batch_and_from_a_file_what_it_gives_alone(name, tmp_path):
    m, s = model(name), systems()
    save_model(tmp_path / "model.atnn", m)
    batch = evaluate(load_model(tmp_path / "model.atnn"), s, ("energy", "forces", "charges"))
    alone = [evaluate(m, s.select([index]), tuple(batch)) for index in range(3)]
    for quantity, values in batch.items():
        torch.testing.assert_close(values, torch.cat([one[quantity] for one in alone]), rtol=1e-9, atol=1e-8)
    sums = torch.zeros(3, dtype=torch.float64).index_add(0, s.batch, batch["charges"])
    torch.testing.assert_close(sums, s.total_charge, rtol=0, atol=1e-12)


def test_charges_reach_beyond_the_cutoff():
    """An electron that a far chlorine takes comes from the sodium, at a distance at which neither sees the other."""
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 9.0]])
    found = evaluate(model("eann", ()), atoms, ("charges",))["charges"]
    assert found[0].item() == pytest.approx(-found[1].item(), abs=1e-12) and abs(found[0].item()) > 1e-3


@pytest.mark.parametrize("seen", [True, False])
def test_atomic_energies_may_depend_on_the_charges(seen):
    ion = Structures.from_ase([charged(ethanol(), charge) for charge in (0.0, 1.0)])
    energies = evaluate(model("eann", (), seen), ion, ("energy",))["energy"]
    assert (energies.diff().abs().item() > 1e-3) is seen
    with pytest.raises(SpecificationError, match=r"energy needs charges.*\n.*add charges or dipole to outputs"):
        Model(ModelSpecification(elements=(1,), representation="eann", charges_in_energy=True))


def test_a_source_of_charges_without_charges_is_refused():
    with pytest.raises(SpecificationError, match=r"equilibration makes charges.*\n.*add charges or dipole to outputs"):
        Model(ModelSpecification(elements=(1,), representation="eann", charges="equilibration"))


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_compiled_equilibration_equals_eager_for_batches_of_all_kinds():
    m, s = model("eann"), systems()
    graph = CompiledModel(m)
    for batch in (s, s.select([1]), s.select([0, 2, 0])):
        inputs = m.prepare(batch, neighbor_pairs(batch, m.cutoff))
        found = graph(inputs, ("energy", "forces", "charges"))
        for quantity, expected in evaluate(m, batch, tuple(found)).items():
            torch.testing.assert_close(found[quantity], expected, rtol=1e-9, atol=1e-9)
