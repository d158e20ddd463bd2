"""What every representation must satisfy, whatever its method."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck, gradgradcheck

from atnn.errors import DataError
from atnn.model import ModelPotential, load_model, save_model
from atnn.neighbors import neighbor_pairs
from atnn.so3 import solid_harmonics
from atnn.structures import Structures
from contracts.models import CASES, LOCAL, NAMES, SMALL, evaluate, features, small_model
from systems import crystal, ethanol, methane, single_atom, slab, two_fragments

ROTATION = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()


@pytest.fixture(params=CASES)
def model(request):
    name, options = CASES[request.param]
    return small_model(name, **options)


def rotated(atoms, matrix):
    result = atoms.copy()
    result.positions = atoms.positions @ matrix.T
    result.cell = atoms.cell[:] @ matrix.T
    return result


def rattled(atoms, seed=0, scale=0.1):
    result = atoms.copy()
    result.rattle(scale, seed=seed)
    return result


def test_every_registered_representation_is_tested():
    assert sorted(SMALL) == NAMES


@pytest.mark.parametrize("matrix", [ROTATION, -np.eye(3), -ROTATION], ids=["rotation", "inversion", "both"])
@pytest.mark.parametrize("atoms", [ethanol(), crystal()], ids=["molecule", "crystal"])
def test_invariants_stay_and_tensors_turn(model, atoms, matrix):
    before, after = features(model, rattled(atoms)), features(model, rotated(rattled(atoms), matrix))
    for degree, (tensors, found) in enumerate(zip(before.nodes, after.nodes, strict=True)):
        assert tensors.shape[1:] == (2 * degree + 1, model.representation.channels[degree])
        turned = torch.einsum("xy,ayk->axk", turned_harmonics(matrix, degree), tensors)
        torch.testing.assert_close(found, turned, rtol=1e-9, atol=1e-11)
        assert tensors.std() > 1e-3


def turned_harmonics(matrix, degree):
    """D with ``S(M r) = D S(r)`` for the harmonics of one degree, by a fit to random vectors."""
    vectors = torch.as_tensor(np.random.default_rng(0).normal(size=(30, 3)))
    ones = torch.ones(30, dtype=torch.float64)
    before, after = (solid_harmonics(v, ones, degree)[degree] for v in (vectors, vectors @ torch.as_tensor(matrix).T))
    return torch.linalg.lstsq(before, after).solution.T


def test_nothing_depends_on_where_the_molecule_is(model):
    moved = rattled(ethanol())
    moved.translate([3.0, -7.0, 11.0])
    a, b = evaluate(model, rattled(ethanol())), evaluate(model, moved)
    torch.testing.assert_close(a["forces"], b["forces"], rtol=1e-8, atol=1e-10)


def test_the_order_of_the_atoms_does_not_matter(model):
    atoms, order = rattled(ethanol()), np.random.default_rng(1).permutation(9)
    a, b = evaluate(model, atoms), evaluate(model, atoms[order])
    torch.testing.assert_close(a["energy"], b["energy"])
    torch.testing.assert_close(a["forces"][order], b["forces"], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("atoms", [ethanol(), crystal(), slab()], ids=["molecule", "crystal", "slab"])
def test_forces_equal_finite_differences(model, atoms):
    s = Structures.from_ase(rattled(atoms))
    forces, step = evaluate(model, s)["forces"], 5e-4
    for atom, axis in ((0, 0), (1, 2), (len(atoms) - 1, 1)):
        energies = []
        for moved in (1, -1, 2, -2):
            positions = s.positions.clone()
            positions[atom, axis] += moved * step
            energies.append(evaluate(model, s.replace(positions=positions), ("energy",))["energy"].item())
        # Four points: with two, the third derivative of a steep model is as large as the tolerance.
        slope = (8 * (energies[0] - energies[1]) - (energies[2] - energies[3])) / (12 * step)
        assert forces[atom, axis].item() == pytest.approx(-slope, abs=2e-6)
    assert forces.abs().max() > 1e-3


def test_stress_and_virial_equal_finite_differences(model):
    s, step = Structures.from_ase(crystal()), 1e-5
    found = evaluate(model, s, ("stress", "virial"))
    for a, b in ((0, 0), (0, 1), (1, 2), (2, 2)):
        energies = []
        for sign in (1, -1):
            strain = torch.eye(3, dtype=torch.float64)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            strained = s.replace(positions=s.positions @ strain, cell=s.cell @ strain)
            energies.append(evaluate(model, strained, ("energy",))["energy"].item())
        slope = (energies[0] - energies[1]) / (2 * step)
        assert found["virial"][0, a, b].item() == pytest.approx(-slope, abs=1e-5)
        assert found["stress"][0, a, b].item() == pytest.approx(slope / s.volumes.item(), abs=1e-6)
    assert torch.equal(found["stress"], found["stress"].mT)


def test_first_and_second_derivatives_pass_gradcheck(model):
    s = Structures.from_ase(rattled(molecule("H2O"), scale=0.2))
    neighbors = neighbor_pairs(s, model.cutoff)
    model.requires_grad_(False)

    def energy(positions):
        inputs = model.prepare(s, neighbors)
        return model.compute(inputs._replace(structures=inputs.structures.replace(positions=positions)), ("energy",))[
            "energy"
        ]

    positions = s.positions.clone().requires_grad_()
    assert gradcheck(energy, (positions,)) and gradgradcheck(energy, (positions,))


def test_energy_slope_and_curvature_vanish_at_the_cutoff(model):
    cutoff, step = model.cutoff, 1e-3

    def dimer(distance):
        return evaluate(model, Atoms("CO", positions=[[0, 0, 0], [distance, 0, 0]]), ("energy",))["energy"].item()

    beyond = dimer(cutoff + 0.5)
    values = np.array([dimer(cutoff + k * step) - beyond for k in (-4, -3, -2, -1, 0, 1)])
    assert np.abs(values).max() < 1e-8
    assert np.abs(np.diff(values, 2) / step**2).max() < 1e-3
    assert abs(dimer(0.6 * cutoff) - beyond) > 1e-4


@pytest.mark.parametrize("pair", ["HH", "CO", "CuCu"])
def test_dimers_are_finite_from_close_contact_to_beyond_the_cutoff(model, pair):
    for distance in np.linspace(0.3, model.cutoff + 0.2, 12):
        atoms = Atoms(pair, positions=[[0, 0, 0], [0, distance, 0]])
        found = evaluate(model, atoms)
        assert torch.isfinite(found["energy"]).all() and torch.isfinite(found["forces"]).all()


@pytest.mark.parametrize("networks", ["element", "shared"])
@pytest.mark.parametrize("name", NAMES)
def test_far_fragments_add_where_a_representation_is_local(name, networks):
    assert getattr(small_model(name).representation, "local", True) == (name not in LOCAL)
    model = small_model(name, networks=networks, **LOCAL.get(name, {}))
    assert getattr(model.representation, "local", True)
    whole = evaluate(model, two_fragments(30.0), ("energy", "forces"))
    parts = [evaluate(model, part, ("energy", "forces")) for part in (methane(), molecule("H2O"))]
    torch.testing.assert_close(whole["energy"], parts[0]["energy"] + parts[1]["energy"], rtol=0, atol=1e-9)
    torch.testing.assert_close(whole["forces"], torch.cat([p["forces"] for p in parts]), rtol=1e-8, atol=1e-10)


def test_an_isolated_atom_has_an_energy_and_no_force(model):
    found = evaluate(model, single_atom())
    assert torch.isfinite(found["energy"]).all() and found["forces"].abs().max() == 0


def test_a_structure_in_a_batch_gives_what_it_gives_alone(model):
    frames = [ethanol(), single_atom(), rattled(slab()), crystal(), methane()]
    batch = evaluate(model, Structures.from_ase(frames), ("energy", "forces", "virial"))
    alone = [evaluate(model, frame, ("energy", "forces", "virial")) for frame in frames]
    for name in ("energy", "forces", "virial"):
        torch.testing.assert_close(batch[name], torch.cat([a[name] for a in alone]), rtol=1e-9, atol=1e-10)


def test_no_force_crosses_from_one_structure_to_another(model):
    s = Structures.from_ase([ethanol(), ethanol()]).to(dtype=model.dtype)
    positions = s.positions.clone().requires_grad_()
    inputs = model.prepare(s, neighbor_pairs(s, model.cutoff))
    energy = model.compute(inputs._replace(structures=inputs.structures.replace(positions=positions)), ("energy",))[
        "energy"
    ]
    (gradient,) = torch.autograd.grad(energy[0], positions)
    assert gradient[:9].abs().max() > 0 and gradient[9:].abs().max() == 0


def test_a_supercell_has_twice_the_energy_of_its_cell(model):
    small, large = crystal(), crystal().repeat((2, 1, 1))
    a, b = evaluate(model, small), evaluate(model, large)
    torch.testing.assert_close(2 * a["energy"], b["energy"], rtol=1e-11, atol=1e-9)
    torch.testing.assert_close(torch.cat([a["forces"], a["forces"]]), b["forces"], rtol=1e-8, atol=1e-9)


def test_an_atom_may_be_written_into_another_image(model):
    atoms, moved = crystal(), crystal()
    moved.positions[1] += 2 * atoms.cell[0] - atoms.cell[2]
    torch.testing.assert_close(evaluate(model, atoms)["forces"], evaluate(model, moved)["forces"], rtol=1e-8, atol=1e-9)


def test_positions_that_are_not_contiguous_give_the_same(model):
    s = Structures.from_ase(ethanol())
    strided = s.replace(positions=s.positions.T.contiguous().T)
    assert not strided.positions.is_contiguous()
    torch.testing.assert_close(evaluate(model, s)["forces"], evaluate(model, strided)["forces"])


def test_float32_agrees_with_float64(model):
    double = evaluate(model, rattled(ethanol()))
    single = evaluate(model.float(), rattled(ethanol()))
    torch.testing.assert_close(single["forces"].double(), double["forces"], rtol=1e-3, atol=1e-4)
    assert single["energy"].dtype == torch.float64


def test_a_saved_model_gives_the_same_numbers(model, tmp_path):
    save_model(tmp_path / "m.atnn", model)
    loaded = load_model(tmp_path / "m.atnn")
    a, b = evaluate(model, slab("CH3OH")), evaluate(loaded, slab("CH3OH"))
    assert torch.equal(a["energy"], b["energy"]) and torch.equal(a["forces"], b["forces"])


def test_elements_are_told_apart(model):
    water, sulfide = (
        Atoms("HOH", positions=molecule("H2O").positions),
        Atoms("HCH", positions=molecule("H2O").positions),
    )
    a, b = (evaluate(model, x)["forces"] for x in (water, sulfide))
    assert (a - b).abs().max() > 1e-3


def test_an_unknown_element_is_refused_by_name(model):
    with pytest.raises(DataError, match="does not know the elements S"):
        evaluate(model, molecule("SH2"))


@pytest.mark.compiled
@pytest.mark.parametrize("name", NAMES)
def test_one_compiled_graph_equals_the_eager_model_at_every_size(name):
    """NEMP and SpookyNet have one round here, because a second one has the same operations."""
    alike = {"rounds": 1} if name in ("nemp", "spookynet") else {}
    model = small_model(name, outputs=("energy",), terms=({"name": "zbl"},), **alike)
    eager, compiled = ModelPotential(model), ModelPotential(model, compile=True)
    frames = [ethanol(), methane(), crystal(), slab("CH3OH"), single_atom(), two_fragments()]
    batches = [Structures.from_ase(f) for f in frames]
    batches += [
        Structures.from_ase([ethanol(), single_atom("Cu"), crystal()]),
        Structures.from_ase([single_atom()] * 3),
    ]
    for batch in batches:
        expected, found = (p(batch, ("energy", "forces", "virial")) for p in (eager, compiled))
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=1e-9, atol=1e-9)
    assert len(compiled._compiled._graphs) == 1
