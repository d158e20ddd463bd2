"""Friction tensors: symmetric, positive semidefinite, equivariant, and zero where there is nothing to rub against."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from scipy.spatial.transform import Rotation

from atnn.data.matrices import join_matrix
from atnn.errors import DataError, SpecificationError
from atnn.model import load_model, save_model
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES
from atnn.readouts.density import TABLE
from atnn.readouts.friction import REACH
from atnn.structures import Labelled, Structures
from atnn.training.step import Step, make_batch
from atnn.units import atomic_time, bohr, hartree
from contracts.models import VECTORIAL, evaluate, small_model
from scenes import make_scene
from systems import slab

EXACT = {"rtol": 1e-9, "atol": 1e-11}


def hydrogen(**given):
    """H2 above Cu(111), marked as adsorbate."""
    atoms = slab(**given)
    atoms.arrays["adsorbate"] = atoms.numbers == 1
    return atoms


def friction(model, atoms):
    """The tensor as a matrix [3 n, 3 n]."""
    return torch.as_tensor(
        join_matrix(evaluate(model, atoms, ("friction",))["friction"].numpy(), QUANTITIES["friction"])
    )


@pytest.fixture(params=VECTORIAL)
def model(request):
    return small_model(request.param, outputs=("friction",))


def test_it_is_symmetric_and_positive_definite(model):
    matrix = friction(model, hydrogen())
    torch.testing.assert_close(matrix, matrix.T, **EXACT)
    values = torch.linalg.eigvalsh(matrix)
    assert values.min() > 0 and values.max() > 1.05 * values.min()
    assert matrix[:3, 3:].abs().max() > 1e-4, "the atoms of a molecule are coupled"


@pytest.mark.parametrize("mirrored", [False, True])
def test_it_turns_and_is_reflected_with_the_structure(model, mirrored):
    matrix = Rotation.from_rotvec([0.4, 0.2, -0.9]).as_matrix() @ np.diag([1.0, 1.0, -1.0 if mirrored else 1.0])
    before, turned = friction(model, hydrogen()), hydrogen()
    turned.positions, cell = turned.positions @ matrix.T, turned.cell[:] @ matrix.T
    turned.set_cell(cell)
    large = torch.block_diag(*[torch.as_tensor(matrix)] * 2)
    torch.testing.assert_close(friction(model, turned), large @ before @ large.T, rtol=1e-8, atol=1e-10)


def test_it_follows_the_exchange_of_atoms(model):
    atoms = hydrogen()
    order = np.arange(len(atoms))
    order[[-2, -1, 0, 3]] = order[[-1, -2, 3, 0]]
    swap = [3, 4, 5, 0, 1, 2]
    torch.testing.assert_close(friction(model, atoms[order]), friction(model, atoms)[swap][:, swap], **EXACT)


def test_friction_across_a_mirror_plane_is_not_zero(model):
    atoms = fcc111("Cu", (1, 1, 3), vacuum=7.5, orthogonal=False) * (3, 3, 1)
    add_adsorbate(
        atoms, Atoms("H2", positions=[[0, 0, 0], [0, 0.6, 0.5]]), 1.5, position=tuple(atoms.positions[-1][:2])
    )
    atoms.arrays["adsorbate"] = atoms.numbers == 1  # above an atom, in the mirror plane x = 0 of that atom
    mirror = torch.diag(torch.tensor([-1.0, 1, 1, -1, 1, 1]).double())
    matrix = friction(model, atoms)
    torch.testing.assert_close(mirror @ matrix @ mirror, matrix, rtol=1e-6, atol=1e-8)
    across, along = matrix[0::3, 0::3], matrix[[1, 2, 4, 5]][:, [1, 2, 4, 5]]
    assert torch.linalg.eigvalsh(across).min() > 1e-3 and torch.linalg.eigvalsh(along).min() > 1e-3
    isotropic = torch.linalg.eigvalsh(matrix[:3, :3])
    assert isotropic.max() > 1.05 * isotropic.min(), "it depends on the direction"


def test_a_batch_gives_what_single_structures_give(model):
    pair, single, bare = hydrogen(), hydrogen(), slab()
    del single[-1]
    together = evaluate(model, Structures.from_ase([pair, bare, single]), ("friction",))["friction"]
    assert len(together) == 4 + 0 + 1
    parts = [evaluate(model, atoms, ("friction",))["friction"] for atoms in (pair, single)]
    torch.testing.assert_close(together, torch.cat(parts), **EXACT)


def test_a_molecule_in_vacuum_has_none(model):
    atoms = hydrogen()[-2:]
    assert torch.equal(friction(model, atoms), torch.zeros(6, 6, dtype=torch.float64))


def test_distant_atoms_are_not_coupled(model):
    atoms = hydrogen(size=(4, 4, 3))
    atoms.positions[-1] += 0.5 * (atoms.cell[0] + atoms.cell[1])
    matrix = friction(model, atoms)
    assert torch.equal(matrix[:3, 3:], torch.zeros(3, 3, dtype=torch.float64)) and matrix[3:, 3:].trace() > 0


def test_it_is_smooth_where_atoms_come_into_reach(model):
    def across(distance):
        atoms = Atoms("CuHCuH", [[0, 0, 0], [0, 0, 1.7], [9, 0, 0], [9, 0, 1.7]])
        atoms.positions[2:, 0] = distance
        atoms.arrays["adsorbate"] = atoms.numbers == 1
        return friction(model, atoms)

    step = 1e-3
    for edge in (REACH, model.representation.cutoff):
        values = torch.stack([across(edge + k * step) for k in (-2, -1, 0, 1, 2)])
        assert values.diff(n=2, dim=0).abs().max() < 1e-4 * values.abs().max(), "its slope does not jump"


def test_it_needs_an_adsorbate(model):
    with pytest.raises(DataError, match="no atom is marked as adsorbate"):
        evaluate(model, slab(), ("friction",))


def test_it_survives_save_and_load(model, tmp_path):
    save_model(tmp_path / "model.atnn", model)
    loaded = load_model(tmp_path / "model.atnn").double()
    torch.testing.assert_close(friction(loaded, hydrogen()), friction(model, hydrogen()))


def test_gradients_of_its_loss_equal_finite_differences(model):
    structures = Structures.from_ase([hydrogen(), slab(), hydrogen(seed=4)])
    other = small_model(model.specification.representation.name, outputs=("friction",), seed=9)
    labels = evaluate(other, structures, ("friction",))
    data = Labelled(structures, labels, {"friction": torch.tensor([True, False, True])})
    step, factors = Step(model, ("friction",), [0.3], "mse", compiled=False), torch.ones(1).double()
    batch = make_batch(model, data, ("friction",))
    assert batch.counts.tolist() == [2 * 36]
    result, h = step(batch, factors), 1e-5
    for (name, parameter), gradient in zip(step.parameters.items(), result.gradients, strict=True):
        if not name.startswith("parts.") or not gradient.numel():
            continue
        index, values = gradient.abs().argmax(), []
        for sign in (1, -1):
            parameter.data.view(-1)[index] += sign * h
            values.append(float(step(batch, factors).terms))
            parameter.data.view(-1)[index] -= sign * h
        expected = (values[0] - values[1]) / (2 * h)
        assert gradient.reshape(-1)[index].item() == pytest.approx(expected, rel=1e-4, abs=1e-7), name


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
@pytest.mark.parametrize("output", ["friction", "embedding_density"])
def test_compiled_and_eager_results_agree_for_any_number_of_adsorbates(output):
    model = small_model("eann", outputs=("energy", output))
    compiled = CompiledModel(model)
    names = ("friction",)  # forces of the same features are compiled in tests/contracts/test_representation.py
    for atoms in ([hydrogen()], [hydrogen(), slab(), hydrogen(seed=4)[:-1]]):
        structures = Structures.from_ase(atoms)
        inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
        found, expected = compiled(inputs, names), evaluate(model, structures, names)
        assert compiled._compiles
        for name in names:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-7, atol=1e-9)


def test_local_friction_is_isotropic_and_follows_the_density():
    model = small_model("eann", outputs=("embedding_density",))
    found = evaluate(model, hydrogen(), ("friction", "embedding_density"))
    blocks, density = found["friction"].reshape(2, 2, 3, 3), found["embedding_density"]
    assert torch.equal(blocks[0, 1], torch.zeros(3, 3).double())
    for a in range(2):
        torch.testing.assert_close(blocks[a, a], blocks[a, a, 0, 0] * torch.eye(3).double(), **EXACT)
    assert (blocks[1, 1, 0, 0] > blocks[0, 0, 0, 0]) == (density[1] > density[0])
    assert float(friction(model, hydrogen()[-2:]).abs().max()) < 1e-30


@pytest.mark.parametrize("z", TABLE)
def test_local_friction_is_the_published_one_at_the_published_densities(z):
    model = small_model("eann", outputs=("embedding_density",), elements=(1, 6, 7, 8, 29))
    part = model.parts["local_friction"]
    atoms = hydrogen()
    atoms.numbers[-2:] = z
    structures = Structures.from_ase(atoms)
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    scene = make_scene(structures)._replace(rows=inputs.rows, elements=inputs.elements)
    for radius, expected in TABLE[z].items():
        density = torch.full((2,), 3 / (4 * np.pi * (radius * bohr) ** 3), dtype=torch.float64)
        found = part(scene, {"embedding_density": density})["friction"][0, 0, 0]
        assert float(found) == pytest.approx(expected * hartree * atomic_time / bohr**2, rel=2e-3)


def test_adsorbates_without_a_published_friction_are_refused():
    model = small_model("eann", outputs=("embedding_density",))
    atoms = hydrogen()
    atoms.arrays["adsorbate"][0] = True
    with pytest.raises(DataError, match="Cu, of which no friction coefficient"):
        evaluate(model, atoms, ("friction",))
    with pytest.raises(SpecificationError, match="H, C, N and O"):
        small_model("eann", outputs=("embedding_density",), elements=(29,))
    with pytest.raises(SpecificationError, match="both give friction"):
        small_model("eann", outputs=("friction", "embedding_density"))


def test_it_falls_with_the_distance_from_the_surface_before_any_training(model):
    """As the electron density outside a metal: a new model does not expect friction where no label speaks of it."""
    atoms, traces = hydrogen(), []
    for _ in range(3):
        traces.append(float(friction(model, atoms).trace()))
        atoms.positions[-2:, 2] += 1.0
    assert traces[2] < 0.05 * traces[1], "at 3 and 4 Angstrom; an envelope alone leaves 0.3"
