"""What readouts must satisfy: dipoles and charges of molecules, ions and cells."""

import pytest
import torch
from ase import Atoms
from scipy.spatial.transform import Rotation

from atnn.structures import Structures
from contracts.models import VECTORIAL, evaluate, small_model
from systems import crystal, ethanol, water_box


@pytest.fixture(params=VECTORIAL)
def model(request):
    return small_model(request.param)


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
