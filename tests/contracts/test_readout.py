"""What readouts must satisfy on every representation: dipoles, charges and tensors of molecules, ions and cells."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.errors import DataError
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.quantities import quantity
from atnn.readouts.transitions import find_principal_vectors
from atnn.structures import Structures
from contracts.models import NAMES, evaluate, small_model
from systems import crystal, ethanol, water_box
from tensors import turn

TENSORS = ("polarizability", "shieldings", "born_charges", "transition_dipole_1")


@pytest.fixture(params=NAMES)
def model(request):
    return small_model(request.param, outputs=("energy", "dipole"))


@pytest.fixture(params=NAMES)
def tensorial(request):
    return started(small_model(request.param, outputs=TENSORS))


def started(model):
    """With features and vectors of unit size, as before a training."""
    sample = Structures.from_ase([bent(), crystal()])
    model.start(Statistics(), sample, neighbor_pairs(sample, model.cutoff))
    return model


def ion(charge=1.0):
    atoms = ethanol()
    atoms.info["charge"] = charge
    return atoms


pytestmark = pytest.mark.filterwarnings("ignore:.*total charge")


def test_the_dipole_turns_with_the_molecule_and_flips_with_it(model):
    matrix = Rotation.from_rotvec([0.4, 0.2, -0.9]).as_matrix()
    before = evaluate(model, ethanol(), ("dipole",))["dipole"]
    for m in (matrix, -matrix):
        turned = ethanol()
        turned.positions = turned.positions @ m.T
        after = evaluate(model, turned, ("dipole",))["dipole"]
        torch.testing.assert_close(after, before @ torch.as_tensor(m).T, rtol=1e-9, atol=1e-11)


def test_charges_sum_to_the_total_charge_of_each_structure(model):
    batch = Structures.from_ase([ethanol(), ion(1.0), ion(-2.0)])
    charges = evaluate(model, batch, ("charges",))["charges"]
    totals = torch.zeros(3).double().index_add(0, batch.batch, charges)
    torch.testing.assert_close(totals, torch.tensor([0.0, 1.0, -2.0]).double(), atol=1e-12, rtol=0)
    assert charges.std() > 1e-4


def test_the_dipole_of_a_neutral_molecule_does_not_depend_on_the_origin(model):
    moved = ethanol()
    moved.translate([5.0, -3.0, 8.0])
    a, b = (evaluate(model, x, ("dipole",))["dipole"] for x in (ethanol(), moved))
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_the_dipole_of_an_ion_moves_by_charge_times_shift(model):
    moved = ion(2.0)
    moved.translate([5.0, -3.0, 8.0])
    a, b = (evaluate(model, x, ("dipole",))["dipole"] for x in (ion(2.0), moved))
    torch.testing.assert_close(b - a, 2.0 * torch.tensor([[5.0, -3.0, 8.0]]).double(), rtol=1e-9, atol=1e-10)


def test_the_dipole_is_smooth_where_an_atom_crosses_the_cutoff(model):
    def dipole(distance):
        atoms = Atoms("COH", positions=[[0, 0, 0], [distance, 0, 0], [0, 1, 0]], cell=[40] * 3, pbc=True)
        return evaluate(model, atoms, ("dipole",))["dipole"][0]

    step = 1e-3
    values = torch.stack([dipole(model.cutoff + k * step) for k in (-2, -1, 0, 1, 2)])
    assert (values.diff(dim=0)).abs().max() < 1e-6


def test_the_dipole_of_a_cell_does_not_depend_on_the_images_chosen(model):
    atoms, moved = crystal(), crystal()
    moved.positions[2] += atoms.cell[1]
    a, b = (evaluate(model, x, ("dipole",))["dipole"] for x in (atoms, moved))
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_the_dipole_of_a_supercell_is_the_sum_of_its_cells(model):
    a = evaluate(model, water_box(2), ("dipole",))["dipole"]
    b = evaluate(model, water_box(2).repeat((1, 2, 1)), ("dipole",))["dipole"]
    torch.testing.assert_close(2 * a, b, rtol=1e-8, atol=1e-9)


def test_charges_and_atomic_dipoles_make_the_dipole_of_a_molecule_and_atomic_dipoles_that_of_a_cell(model):
    for atoms, part in ((ethanol(), 1.0), (water_box(2), 0.0)):
        found = evaluate(model, atoms, ("dipole", "charges", "atomic_dipoles"))
        moments = part * found["charges"][:, None] * torch.as_tensor(atoms.positions) + found["atomic_dipoles"]
        torch.testing.assert_close(moments.sum(0), found["dipole"][0], rtol=0, atol=1e-12)
        assert found["atomic_dipoles"].abs().max() > 1e-4


def test_a_model_may_learn_the_dipole_alone():
    model = small_model("eann", outputs=("dipole",))
    assert model.outputs == {"dipole", "charges", "atomic_dipoles", "born_charges"}
    assert evaluate(model, ethanol(), ("dipole", "charges"))["dipole"].shape == (1, 3)


ROTATION = Rotation.from_rotvec([0.4, 0.2, -0.9]).as_matrix()

EXACT = np.array([[0, 0, -1.0], [1.0, 0, 0], [0, -1.0, 0]])  # about the diagonal of a cube


def bent():
    atoms = ethanol()
    atoms.rattle(0.1, seed=3)
    return atoms


def moved(atoms, matrix):
    result = atoms.copy()
    result.positions, result.cell = atoms.positions @ matrix.T, atoms.cell[:] @ matrix.T
    return result


def test_tensors_turn_with_the_molecule_to_the_last_digits_of_float32(tensorial):
    """With a rotation that does not round the positions, and one that does so in float64, where it does not count."""
    # Sums over neighbors in another order differ by up to 1.1e-6 in float32 (NEAT).
    for matrix, digits in ((ROTATION, 1e-10), (EXACT, 1.5e-6)):
        model = tensorial.double() if matrix is ROTATION else tensorial.float()
        before, after = (evaluate(model, atoms, TENSORS) for atoms in (bent(), moved(bent(), matrix)))
        for name in TENSORS:
            expected = turn(name, before[name], matrix)
            allowed = digits * expected.norm()
            if quantity(name).sign_free:  # an eigenvector multiplies rounding by the size of the tensor over the gap
                expected, allowed = expected * torch.sign((expected * after[name]).sum()), 10 * allowed
            assert (after[name] - expected).norm() < allowed, name


def test_tensors_of_molecules_and_crystals_follow_mirror_images(tensorial):
    names = TENSORS[:3]
    for atoms in (bent(), crystal()):
        before, after = (evaluate(tensorial, each, names) for each in (atoms, moved(atoms, -ROTATION)))
        for name in names:
            torch.testing.assert_close(after[name], turn(name, before[name], -ROTATION), rtol=1e-9, atol=1e-11)
            deviator = before[name] - torch.diag_embed(before[name].diagonal(dim1=-2, dim2=-1))
            assert deviator.abs().max() > 1e-5, name


def test_tensors_do_not_depend_on_the_place(tensorial):
    far = bent()
    far.translate([5.0, -3.0, 8.0])
    before, after = (evaluate(tensorial, atoms, TENSORS[:3]) for atoms in (bent(), far))
    for name in TENSORS[:3]:
        torch.testing.assert_close(after[name], before[name], rtol=1e-9, atol=1e-11)


def test_tensors_are_smooth_where_an_atom_crosses_the_cutoff(tensorial):
    def tensors(distance):
        atoms = Atoms("COH", positions=[[0, 0, 0], [distance, 0, 0], [0, 1, 0]], cell=[40] * 3, pbc=True)
        found = evaluate(tensorial, atoms, TENSORS[:3])
        return torch.cat([found[name].flatten() for name in found])

    step = 1e-3
    values = torch.stack([tensors(tensorial.cutoff + k * step) for k in (-2, -1, 0, 1, 2)])
    assert values.diff(dim=0).abs().max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_born_charges_and_polarizability_gradients_are_derivatives(name):
    model, structures, step = small_model(name, outputs=("dipole", "polarizability")), Structures.from_ase(bent()), 1e-4
    given = ("dipole", "polarizability")
    found = evaluate(model, structures, ("born_charges", "polarizability_gradients"))
    for atom, axis in ((0, 0), (2, 1), (8, 2)):
        shift = torch.zeros_like(structures.positions)
        shift[atom, axis] = step
        ahead, behind = (evaluate(model, structures.replace(positions=structures.positions + s), given)
                         for s in (shift, -shift))  # fmt: skip
        for of, derivative in zip(given, ("born_charges", "polarizability_gradients"), strict=True):
            slope = (ahead[of] - behind[of])[0] / (2 * step)
            torch.testing.assert_close(found[derivative][atom, ..., axis], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("outputs", [("dipole",), ("born_charges",)], ids=["derived", "direct"])
@pytest.mark.parametrize("name", NAMES)
def test_born_charges_sum_to_the_total_charge(name, outputs):
    batch = Structures.from_ase([bent(), ion(2.0), water_box(2)])
    found = evaluate(started(small_model(name, outputs=outputs)), batch, ("born_charges",))["born_charges"]
    totals = torch.zeros(3, 3, 3).double().index_add(0, batch.batch, found)
    expected = torch.tensor([0.0, 2.0, 0.0]).double()[:, None, None] * torch.eye(3).double()
    torch.testing.assert_close(totals, expected, rtol=0, atol=1e-9)
    assert (found - found.mT).abs().max() > 1e-5


def test_born_charges_of_a_charged_cell_are_learned_and_not_derived():
    atoms = crystal()
    atoms.info["charge"] = 1.0
    found = evaluate(small_model("eann", outputs=("born_charges",)), atoms, ("born_charges",))["born_charges"]
    torch.testing.assert_close(found.sum(0), torch.eye(3).double(), rtol=0, atol=1e-12)
    with pytest.raises(DataError, match="sum to zero and not to the charge"):
        evaluate(small_model("eann", outputs=("dipole",)), atoms, ("born_charges",))


@pytest.mark.parametrize("axis", range(3))
def test_a_transition_dipole_may_be_normal_to_a_planar_molecule_of_any_symmetry(axis):
    """The tensor of formaldehyde is diagonal, and each of its axes may have the largest eigenvalue."""
    model = started(small_model("eann", outputs=("transition_dipole_1",)))
    part, atoms = model.parts["transition_dipole_1"], Structures.from_ase(molecule("H2CO"))
    pairs, optimizer = neighbor_pairs(atoms, model.cutoff), torch.optim.Adam(part.parameters(), lr=0.02)
    target = torch.eye(3).double()[axis]
    for _ in range(60):
        found = model(atoms, pairs, ("transition_dipole_1",), create_graph=True)["transition_dipole_1"][0]
        loss = torch.minimum((found - target).square().sum(), (found + target).square().sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-2


def test_principal_vectors_have_the_derivatives_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(5, 3, 3, dtype=torch.float64, generator=generator)
    matrices = (vectors @ vectors.mT + torch.diag(torch.tensor([0.0, 1.0, 4.0]))).requires_grad_()
    weights = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    start = find_principal_vectors(matrices)
    (slope,) = torch.autograd.grad((weights * start).sum(), matrices)
    step = torch.randn(5, 3, 3, dtype=torch.float64, generator=generator)
    step = 1e-6 * (step + step.mT)
    change = []
    for sign in (1, -1):
        found = find_principal_vectors(matrices.detach() + sign * step)
        change.append((found * torch.sign((found * start.detach()).sum(1, keepdim=True)) * weights).sum())
    assert float((slope * step).sum()) == pytest.approx(float(change[0] - change[1]) / 2, rel=1e-3)
    assert torch.isfinite(torch.autograd.grad(find_principal_vectors(0 * matrices).sum(), matrices)[0]).all()
