"""D3 and D4 of pairs against the reference programs, and what any dispersion energy owes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import dftd3.interface as dftd3
import dftd4.interface as dftd4
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from pydantic import ValidationError

from atnn import units
from atnn.errors import SpecificationError
from atnn.neighbors import edges, neighbor_pairs
from atnn.physics.dispersion import D3, D4, D3Specification, D4Specification
from atnn.physics.dispersion_tables import d3_references, d4_references, damping_parameters, known_functionals
from atnn.specification import parse
from atnn.structures import Structures
from references.loading import reference
from scenes import energies, make_scene
from systems import crystal, ethanol, single_atom, slab, two_fragments, water_box

EVERYTHING = 1000.0  # Angstrom; a cutoff whose switch starts beyond all pairs of a list, as the programs have none
TERMS = {"d3": (D3, D3Specification), "d4": (D4, D4Specification)}
PROGRAMS = {"d3": (dftd3, dftd3.RationalDampingParam), "d4": (dftd4, dftd4.DampingParam)}
# Elements whose free atom is another in the programs than in the tables: half the polarizability in dftd4 4.3.1,
# against its own database of references, and 3.6 % of the C6 of mendelevium in dftd3 1.7.0.
OTHER_REFERENCES = {"d3": {101}, "d4": {92, 95, 98}}


def term(method, numbers, functional="pbe", cutoff=10.0):
    module, specification = TERMS[method]
    pairs_only = {"s9": 0.0} if method == "d4" else {}
    return module(
        specification(functional=functional, cutoff=cutoff, **pairs_only), sorted(set(np.asarray(numbers).tolist()))
    )


def some_charges(structures):
    """Partial charges [e] by element and place, of no meaning."""
    return 0.1 * torch.sin(structures.numbers + 0.5 * structures.positions.detach()[:, 0])


def energy(method, atoms, charges=None, functional="pbe", cutoff=10.0, reach=None, known=None, dtype=torch.float64):
    """Energies of a batch, by a term for the elements ``known``; pairs up to ``reach``, or the cutoff."""
    structures = atoms if isinstance(atoms, Structures) else Structures.from_ase(atoms, dtype=dtype)
    known = structures.numbers if known is None else known
    pairs = edges(structures, neighbor_pairs(structures, reach or cutoff))
    given = {"charges": some_charges(structures) if charges is None else charges}
    known = sorted(set(np.asarray(known).tolist()))
    return energies(term(method, known, functional, cutoff), make_scene(structures, pairs, numbers=known), given)


def forces_and_virial(method, atoms, cutoff=10.0, reach=None):
    """Forces [eV/Angstrom] and virial -dE/dstrain [eV]."""
    structures = Structures.from_ase(atoms)
    positions = structures.positions.requires_grad_()
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    deform = torch.eye(3) + 0.5 * (strain + strain.T)
    moved = structures.replace(positions=positions @ deform, cell=structures.cell @ deform)
    total = energy(method, moved, some_charges(structures), cutoff=cutoff, reach=reach)
    by_positions, by_strain = torch.autograd.grad(total.sum(), (positions, strain))
    return -by_positions, -by_strain


def of_program(method, atoms, functional="pbe", reach=100.0):
    """Energy [eV], forces [eV/Angstrom], virial [eV] and charges [e] of the program, without three-body term."""
    module, parameters = PROGRAMS[method]
    box = {"lattice": atoms.cell[:] / units.bohr, "periodic": atoms.pbc} if atoms.pbc.any() else {}
    model = module.DispersionModel(atoms.numbers, atoms.positions / units.bohr, **box)
    model.set_realspace_cutoff(disp2=reach / units.bohr, disp3=1.0, cn=reach / units.bohr)
    found = model.get_dispersion(parameters(method=functional, atm=False), grad=True)
    charges = torch.tensor(model.get_properties()["partial charges"]) if method == "d4" else None
    forces = -found["gradient"] * units.hartree / units.bohr
    return float(found["energy"]) * units.hartree, forces, -found["virial"] * units.hartree, charges


MOLECULES = {
    "ethanol": ethanol(),
    "fragments": two_fragments(4.0),
    "silicon": Atoms("SiClH3OCS", positions=1.6 * np.indices((2, 2, 2)).reshape(3, -1).T + np.eye(8, 3)),
    "copper": Atoms("Cu4H2", positions=[[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [0, 0, 2.5], [3, 3, 0], [3.5, 3, 0.5]]),
}  # fmt: skip


@pytest.mark.parametrize("functional", ["pbe", "PBE0", "b3lyp", "revPBE", "r2scan", "hf", "blyp", "tpss", "b2plyp"])
@pytest.mark.parametrize("atoms", MOLECULES.values(), ids=MOLECULES)
@pytest.mark.parametrize("method", TERMS)
def test_molecules_have_the_energy_of_the_reference_program(method, atoms, functional):
    expected, _, _, charges = of_program(method, atoms, functional)
    found = energy(method, atoms, charges, functional, EVERYTHING, reach=100.0)
    assert found.item() == pytest.approx(expected, abs=1e-9)
    assert expected < -0.01


@pytest.mark.parametrize(
    ("method", "atoms"), [("d3", crystal()), ("d3", slab()), ("d3", water_box(1)), ("d4", crystal())]
)
def test_periodic_structures_have_the_energy_of_the_reference_program(method, atoms):
    expected, _, _, charges = of_program(method, atoms, reach=12.0)
    assert energy(method, atoms, charges, cutoff=EVERYTHING, reach=12.0).item() == pytest.approx(expected, abs=1e-8)


def test_d4_has_a_step_where_magnesium_changes_its_reference_as_in_the_program():
    places = np.indices((3, 3, 3)).reshape(3, -1).T
    numbers = np.where(places.sum(1) % 2, 12, 8)  # Mg in the middle, whose coordination number falls from 8.2 to 7.4
    blocks = [Atoms(numbers, a * places) for a in (2.385, 2.395, 2.4, 2.405, 2.415)]
    expected = [of_program("d4", atoms) for atoms in blocks]
    for atoms, (value, _, _, charges) in zip(blocks, expected, strict=True):
        assert energy("d4", atoms, charges, "pbe", EVERYTHING, reach=100.0).item() == pytest.approx(value, abs=1e-8)
    before, above, middle, below, after = (value for value, *_ in expected)
    assert before < above and below < after  # dispersion fades as the block grows
    assert above - middle > 0.02 and middle - below > 0.02


@pytest.mark.parametrize("atoms", [ethanol(), crystal()], ids=["molecule", "crystal"])
def test_d3_has_the_forces_and_the_virial_of_the_reference_program(atoms):
    _, *expected, _ = of_program("d3", atoms, reach=12.0)
    for found, value in zip(forces_and_virial("d3", atoms, EVERYTHING, 12.0), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), value, atol=1e-8)


@pytest.mark.parametrize("method", TERMS)
def test_every_element_is_that_of_the_reference_program(method):
    for number in set(range(1, 104)) - OTHER_REFERENCES[method]:
        r = max(0.7, covalent_radii[number])
        places = [[0, 0, 0], [r + 0.3, 0, 0], [0.3, 2.1 * r, 0.2], [-0.5, -0.2, r + 0.7]]
        atoms = Atoms([number, 1, number, 8], positions=places)
        expected, _, _, charges = of_program(method, atoms)
        found = energy(method, atoms, charges, cutoff=EVERYTHING, reach=100.0).item()
        assert found == pytest.approx(expected, abs=1e-8), chemical_symbols[number]


@pytest.mark.parametrize(("method", "variant"), [("d3", "bj"), ("d4", "bj-eeq-atm")])
def test_functionals_are_those_of_the_reference_program(method, variant):
    path = Path(PROGRAMS[method][0].__file__).with_name("parameters.toml")
    entries = {name: entry.get(method, {}) for name, entry in tomllib.loads(path.read_text())["parameter"].items()}
    expected = {name: entry[variant] for name, entry in entries.items() if variant in entry}
    assert set(known_functionals(method)) == set(expected)
    for name, entry in expected.items():
        found = damping_parameters(method, name)
        assert found == pytest.approx((entry.get("s6", 1.0), entry["s8"], entry["a1"], entry["a2"] * units.bohr)), name


@pytest.mark.parametrize("references", [d3_references, d4_references])
def test_noble_gases_have_their_measured_c6(references):
    for symbol, expected in reference("noble_gas_c6").items():
        found = references([atomic_numbers[symbol]])
        free = found.coordination.argmin()
        c6 = (found.vectors[free] ** 2 * found.signs).sum() / (units.hartree * units.bohr**6)
        assert c6 == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("method", TERMS)
def test_far_atoms_follow_the_inverse_sixth_power(method):
    close, far = (energy(method, Atoms("Ar2", positions=[[0, 0, 0], [d, 0, 0]]), cutoff=200.0) for d in (50.0, 100.0))
    assert (close / far).item() == pytest.approx(64.0, rel=0.02)


def displaced_energy(method, structures, atom, axis, step):
    positions = structures.positions.clone()
    positions[atom, axis] += step
    return energy(method, structures.replace(positions=positions), some_charges(structures), cutoff=6.0).item()


@pytest.mark.parametrize("method", TERMS)
def test_forces_equal_finite_differences(method):
    atoms, step = crystal(), 1e-3
    structures, (forces, _) = Structures.from_ase(atoms), forces_and_virial(method, atoms, cutoff=6.0)
    for atom, axis in ((0, 0), (1, 2), (3, 1)):
        far, near = (
            displaced_energy(method, structures, atom, axis, k * step)
            - displaced_energy(method, structures, atom, axis, -k * step)
            for k in (2, 1)
        )
        assert forces[atom, axis].item() == pytest.approx((far - 8 * near) / (12 * step), abs=1e-8)
    assert forces.abs().max() > 0.01
    torch.testing.assert_close(forces.sum(0), torch.zeros(3, dtype=forces.dtype), atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", TERMS)
def test_virial_equals_finite_differences(method):
    atoms, step, energies = crystal(), 1e-4, []
    _, virial = forces_and_virial(method, atoms, cutoff=6.0)
    charges = some_charges(Structures.from_ase(atoms))
    for sign in (1, -1):
        strained_atoms, strain = atoms.copy(), np.eye(3)
        strain[0, 1] = strain[1, 0] = sign * step
        strain[2, 2] += sign * step
        strained_atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
        energies.append(energy(method, strained_atoms, charges, cutoff=6.0).item())
    slope = (energies[0] - energies[1]) / (2 * step)
    assert -(2 * virial[0, 1] + virial[2, 2]).item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("method", TERMS)
def test_first_and_second_derivatives_of_positions_and_charges(method):
    atoms = Atoms("OHO", positions=[[0.1, 0, 0], [1.0, 0.2, -0.1], [0.4, 2.2, 1.3]])
    structures = Structures.from_ase(atoms)
    module, neighbors = term(method, atoms.numbers, cutoff=3.0), neighbor_pairs(structures, 3.0)

    def function(positions, charges):
        moved = structures.replace(positions=positions)
        return energies(module, make_scene(moved, edges(moved, neighbors)), {"charges": charges}) + 0 * charges.sum()

    arguments = (structures.positions.requires_grad_(), torch.tensor([-0.4, 0.3, 0.1]).double().requires_grad_())
    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


def test_more_electrons_attract_more():
    structures = Structures.from_ase(Atoms("Ar2", positions=[[0, 0, 0], [4.0, 0, 0]]))
    found = [energy("d4", structures, torch.full((2,), q).double()).item() for q in (-0.5, 0.0, 0.5)]
    assert found[0] < found[1] < found[2] < 0


@pytest.mark.parametrize("charge", [-1.5, -1.0, 1e-9 - 1.0, 0.9])
def test_bare_nuclei_and_beyond_have_finite_energies_and_derivatives(charge):
    charges = torch.tensor([charge, 0.0]).double().requires_grad_()
    value = energy("d4", Atoms("H2", positions=[[0, 0, 0], [2.0, 0, 0]]), charges)
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(charges.grad).all()


@pytest.mark.parametrize("method", TERMS)
def test_in_a_batch_as_alone(method):
    frames = [ethanol(), crystal(), single_atom(), slab()]
    known = np.concatenate([frame.numbers for frame in frames])
    alone = torch.cat([energy(method, frame, known=known) for frame in frames])
    torch.testing.assert_close(energy(method, frames), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", TERMS)
def test_order_of_the_atoms_and_translations_do_not_matter(method):
    atoms = slab()
    turned = atoms[np.random.default_rng(0).permutation(len(atoms))]
    charges = 0.01 * torch.from_numpy(atoms.numbers).double()
    moved, shuffled = atoms.copy(), 0.01 * torch.from_numpy(turned.numbers).double()
    moved.positions += [3.0, -7.0, 0.4]
    expected = energy(method, atoms, charges)
    torch.testing.assert_close(energy(method, turned, shuffled), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(energy(method, moved, charges), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", TERMS)
def test_a_small_cell_equals_its_supercell(method):
    atoms, charges = crystal(), torch.tensor([0.3, -0.3, 0.2, -0.2]).double()
    large = energy(method, atoms.repeat((2, 1, 2)), charges.repeat(4))
    torch.testing.assert_close(large, 4 * energy(method, atoms, charges), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", TERMS)
def test_fragments_beyond_the_cutoff_add_and_single_atoms_have_none(method):
    pair, charges = two_fragments(40.0), torch.linspace(-0.2, 0.2, 8).double()
    parts = [energy(method, pair[part], charges[part], known=pair.numbers) for part in (slice(5), slice(5, 8))]
    torch.testing.assert_close(energy(method, pair, charges), sum(parts), rtol=1e-12, atol=1e-12)
    assert energy(method, single_atom()).item() == 0.0


@pytest.mark.parametrize("method", TERMS)
def test_float32_is_float64_rounded(method):
    double = energy(method, water_box(2))
    single = energy(method, water_box(2), dtype=torch.float32)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, double, rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", TERMS)
def test_crowded_atoms_are_finite_in_float32(method):
    """Coordination numbers far from all references, where every Gaussian underflows."""
    atoms = crystal()
    atoms.set_cell(0.45 * atoms.cell, scale_atoms=True)
    assert torch.isfinite(energy(method, atoms, cutoff=5.0, dtype=torch.float32)).all()


@pytest.mark.parametrize("method", TERMS)
@pytest.mark.parametrize("place", [4.0, 5.0])
def test_two_derivatives_are_continuous_where_the_switch_begins_and_ends(method, place):
    structures = Structures.from_ase(Atoms("CXe", positions=[[0, 0, 0], [place, 0, 0]]))

    def derivatives(distance):
        x = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        positions = torch.stack([torch.zeros(3).double(), x * torch.eye(3, dtype=torch.float64)[0]])
        value = energy(method, structures.replace(positions=positions), torch.zeros(2).double(), cutoff=5.0, reach=6.0)
        slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
        return torch.stack([value[0], slope, torch.autograd.grad(slope, x)[0]]).detach()

    before, after = derivatives(place - 1e-7), derivatives(place + 1e-7)
    torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-6)
    assert (after == 0).all() == (place == 5.0)


def test_an_unknown_functional_is_named_with_the_known_ones():
    with pytest.raises(
        SpecificationError, match=r"(?s)functional.*D3 has no damping.*'pbee'.*did you mean `pbe`.*r2scan"
    ):
        parse(D3Specification, {"functional": "pbee"})
    with pytest.raises(ValidationError, match="D4 has no damping parameters for the functional 'm11l'"):
        D4Specification(functional="m11l")


def test_damping_by_numbers_is_that_of_the_functional_with_these_numbers():
    numbers = D4Specification(functional="pbe").damping._asdict()
    atoms, charges = ethanol(), torch.linspace(-0.2, 0.2, 9, dtype=torch.float64)
    structures = Structures.from_ase(atoms)
    pairs = edges(structures, neighbor_pairs(structures, 10.0))
    known = sorted({*atoms.numbers.tolist()})
    part = D4(D4Specification(functional=numbers), known)
    found = energies(part, make_scene(structures, pairs, numbers=known), {"charges": charges})
    assert torch.equal(found, energy("d4", atoms, charges))


def test_damping_that_lacks_a_number_is_refused():
    with pytest.raises(SpecificationError, match=r"missing key `functional.*a2`"):
        parse(D4Specification, {"functional": {"s8": 1.0, "a1": 0.4}})


def test_references_without_charges_are_those_of_neutral_atoms():
    """The charge of hydrogen in a reference molecule, such as HF, lowers what is subtracted for it."""
    charged, neutral = (d4_references([1, 9], scale) for scale in (1.0, 0.0))
    assert charged.charges.abs().max() > 0.1 and not neutral.charges.any()
    c6 = [(part.vectors * part.signs) @ part.vectors.T for part in (charged, neutral)]
    assert (c6[1] - c6[0]).abs().max() > 0.01 * c6[0].max()


@pytest.mark.parametrize("method", TERMS)
def test_an_element_without_references_is_named(method):
    with pytest.raises(SpecificationError, match=rf"{method.upper()} has no reference atoms of Rf(?s:.*)from H to Lr"):
        term(method, [1, 104])


def test_functionals_have_one_name_in_any_spelling():
    spellings = {"B3-LYP": "b3lyp", "R2SCAN": "r2scan", "r²SCAN": "r2scan", "BP86": "bp", "PBEh": "pbe0", "hf": "hf"}
    for spelling, name in spellings.items():
        assert D3Specification(functional=spelling).functional == name
        assert D4Specification(functional=spelling).functional == name
