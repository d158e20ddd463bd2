"""Hamiltonians from every representation: exactly equivariant, symmetric, smooth, better than a rule of thumb."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.basis import Basis
from atnn.data import Frames
from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.labelling import TbliteLabeller, label
from atnn.model import ModelPotential, ModelSpecification, load_model, save_model
from atnn.observables import find_orbitals
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, train
from contracts.models import NAMES, evaluate, small_model
from orbital_bases import SVP, TIGHT, turn_orbitals
from systems import ethanol

ROTATION = Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix()
ORGANIC = (1, 6, 8)


def model_of(name="neat", basis=SVP, elements=ORGANIC):
    return small_model(name, elements=elements, outputs=("hamiltonian",), basis=basis)


def bent():
    atoms = ethanol()
    atoms.rattle(0.1, seed=3)
    return atoms


def blocks_of(model, atoms):
    return evaluate(model, atoms, ("hamiltonian",))["hamiltonian"]


def matrix_of(model, atoms):
    return model.specification.basis.join(blocks_of(model, atoms), torch.tensor(atoms.numbers))


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_is_symmetric_and_turns_with_the_molecule_and_its_mirror_image(name):
    model = model_of(name)
    before = matrix_of(model, bent())
    torch.testing.assert_close(before, before.T, rtol=0, atol=0)
    for rotation in (ROTATION, -ROTATION):
        turned = bent()
        turned.positions = turned.positions @ rotation.T
        turn = turn_orbitals(SVP, turned.numbers, rotation)
        scale = float(before.abs().max())
        torch.testing.assert_close(matrix_of(model, turned), turn @ before @ turn.T, rtol=0, atol=1e-11 * scale)


def test_float32_keeps_the_symmetry_to_its_rounding():
    model = model_of().float()
    turned = bent()
    turned.positions = turned.positions @ ROTATION.T
    before, after = (matrix_of(model, atoms).double() for atoms in (bent(), turned))
    turn = turn_orbitals(SVP, turned.numbers, ROTATION)
    assert (after - turn @ before @ turn.T).abs().max() < 1e-5 * before.abs().max()


def test_blocks_between_p_shells_are_not_symmetric_within():
    """Which pseudotensors are there for."""
    p = blocks_of(model_of(), bent())[1, 3:6, 3:6]
    assert (p - p.T).abs().max() > 1e-3 * p.abs().max()


@pytest.mark.parametrize("basis", [SVP, TIGHT], ids=["pyscf", "tblite"])
def test_energies_of_orbitals_are_invariant_in_the_order_of_either_program(basis):
    model, turned = model_of(basis=basis), bent()
    turned.positions = turned.positions @ ROTATION.T
    numbers = torch.tensor(turned.numbers)
    unit = torch.eye(sum(basis.count_orbitals(z) for z in turned.numbers.tolist())).double()
    a, b = (find_orbitals(blocks_of(model, atoms), unit, numbers, basis).energies for atoms in (bent(), turned))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(a.abs().max()))


def test_atoms_may_come_in_any_order():
    model, order = model_of(), np.random.default_rng(0).permutation(9)
    before, after = (blocks_of(model, atoms).unflatten(0, (9, 9)) for atoms in (bent(), bent()[order]))
    torch.testing.assert_close(after, before[order][:, order], rtol=0, atol=1e-12 * float(before.abs().max()))


def test_a_molecule_has_in_company_the_matrix_that_it_has_alone():
    model, water = model_of(), molecule("H2O")
    both = blocks_of(model, Structures.from_ase([water, bent(), Atoms("O"), water]))
    parts = [blocks_of(model, atoms) for atoms in (water, bent(), Atoms("O"), water)]
    torch.testing.assert_close(both, torch.cat(parts), rtol=0, atol=1e-12 * float(both.abs().max()))


def test_orbitals_that_an_element_lacks_have_zeros():
    water = molecule("H2O")
    water.rattle(0.1, seed=1)
    blocks = blocks_of(model_of(), water)
    assert not blocks[4, 5:].any() and not blocks[4, :, 5:].any() and not blocks[1, :, 5:].any()
    assert (blocks[0] != 0).all() and (blocks[1, :, :5] != 0).all()


def test_blocks_change_smoothly_with_distance_through_every_cutoff():
    model = model_of()

    def blocks(distance):
        return blocks_of(model, Atoms("OHH", positions=[[0, 0, 0], [0.3, 0.9, 0.1], [distance, 0, 0]]))

    for edge in (4.0, 5.0):  # of the representation, of the readout
        step = 1e-3
        values = torch.stack([blocks(edge + k * step) for k in (-2, -1, 0, 1, 2)])
        scale = float(values.abs().max())
        assert values.diff(n=2, dim=0).abs().max() < 1e-5 * scale
        assert values.diff(n=3, dim=0).abs().max() < 1e-7 * scale


def test_distant_molecules_do_not_know_of_each_other():
    model, water, far = model_of(), molecule("H2O"), molecule("H2O")
    far.positions[:, 0] += 100.0
    alone, both = blocks_of(model, water).unflatten(0, (3, 3)), blocks_of(model, water + far).unflatten(0, (6, 6))
    for own in (both[:3, :3], both[3:, 3:]):
        torch.testing.assert_close(own, alone, rtol=0, atol=1e-12 * float(alone.abs().max()))
    assert both[:3, 3:].abs().max() < 1e-100


def test_it_survives_saving_and_loading(tmp_path):
    model = model_of()
    save_model(tmp_path / "model.atnn", model)
    loaded = load_model(tmp_path / "model.atnn")
    assert loaded.specification.basis == SVP
    torch.testing.assert_close(blocks_of(loaded.double(), bent()), blocks_of(model, bent()), rtol=0, atol=0)


def test_a_model_without_a_basis_or_of_another_element_is_refused():
    with pytest.raises(SpecificationError, match="no meaning without its basis"):
        ModelSpecification(elements=(1,), representation="neat", outputs=("hamiltonian",))
    with pytest.raises(SpecificationError, match="no shells of Cu"):
        model_of(elements=(1, 29))


def test_a_crystal_is_refused():
    with pytest.raises(SpecificationError, match="hamiltonian of a periodic structure"):
        blocks_of(model_of(), Atoms("C", cell=[3, 3, 3], pbc=True))


@pytest.fixture(scope="module")
def waters(tmp_path_factory):
    """GFN2-xTB matrices of distorted and turned waters."""
    pytest.importorskip("tblite")
    frames = []
    for seed in range(28):
        atoms = molecule("H2O")
        atoms.rattle(0.06, seed=seed)
        atoms.rotate(40 * seed, (1, seed, -2))
        frames.append(atoms)
    basis = TIGHT.model_copy(update={"shells": {"H": (0,), "O": (0, 1)}})
    path = tmp_path_factory.mktemp("labels") / "labels.sqlite"
    return label(Structures.from_ase(frames), TbliteLabeller(orbitals=basis), path, workers=0).labelled, basis


def run_config(basis, output, **training):
    return RunConfig.model_validate(
        {
            "data": {"train": "given"},
            "model": {
                "representation": {"name": "neat", "cutoff": 4.0, "channels": 8},
                "outputs": ["hamiltonian"],
                "basis": basis.model_dump(),
                "hidden": (32, 32),
            },
            "training": {"weights": {"hamiltonian": 1.0}, "batch_size": 4, **training},
            "output": str(output),
        }
    )


def test_a_short_training_beats_the_rule_of_wolfsberg_and_helmholz(waters, tmp_path):
    labelled, basis = waters
    whole = Frames(labelled)
    sets = {"train": Frames(whole[:20]), "validation": Frames(whole[20:24])}
    quick = {"epochs": 12, "warmup": 5, "ema": 0.9, "validate_every": 4}
    model = train(run_config(basis, tmp_path / "run", **quick), sets).model
    model_error = rule_error = 0.0
    for k in range(24, 28):
        one = whole[[k]]
        numbers = one.structures.numbers
        right = basis.join(one.labels["hamiltonian"], numbers)
        overlap = basis.join(one.labels["overlap"], numbers)
        rule = overlap * (right.diagonal()[:, None] + right.diagonal()) / 2
        off = 1.0 - torch.eye(len(right)).double()
        factor = (off * rule * right).sum() / (off * rule * rule).sum()
        rule_error += float(((factor * rule - right) * off).square().sum())
        found = basis.join(evaluate(model, one.structures, ("hamiltonian",))["hamiltonian"].double(), numbers)
        model_error += float(((found - right) * off).square().sum())
    assert model_error < 0.25 * rule_error


def test_labels_in_another_order_are_refused_before_the_training(waters, tmp_path):
    labelled, basis = waters
    config = run_config(basis.model_copy(update={"convention": "pyscf"}), tmp_path / "run", epochs=1)
    with pytest.raises(DataError, match="order of tblite, not in that of pyscf"):
        train(config, {"train": Frames(labelled), "validation": Frames(labelled)})


def test_labels_without_overlaps_cannot_be_checked(waters, tmp_path):
    labelled, basis = waters
    kept = ({"hamiltonian": given["hamiltonian"]} for given in (labelled.labels, labelled.masks))
    without = Labelled(labelled.structures, *kept)
    sets = {"train": Frames(without), "validation": Frames(without)}
    with pytest.warns(AtnnWarning, match="without overlaps the order of orbitals"):
        train(run_config(basis, tmp_path / "run", epochs=1), sets)


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_compiled_it_gives_the_same_matrices_energies_and_forces_of_molecules_of_any_size():
    small = Basis(name="small", shells={"H": (0,), "C": (0, 0), "O": (0,)})
    model = small_model("eann", elements=ORGANIC, outputs=("energy", "hamiltonian"), basis=small)
    potential, asked = ModelPotential(model, compile=True), ("energy", "forces", "hamiltonian")
    for atoms in (molecule("H2O"), bent()):
        found, expected = potential(Structures.from_ase(atoms), asked), evaluate(model, atoms, asked)
        for name in asked:
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-11)


def test_a_basis_may_have_s_shells_alone_and_its_matrix_is_then_invariant():
    model, turned = model_of(basis=Basis(name="small", shells={"H": (0,), "C": (0, 0), "O": (0,)})), bent()
    turned.positions = turned.positions @ ROTATION.T
    torch.testing.assert_close(matrix_of(model, turned), matrix_of(model, bent()), rtol=1e-9, atol=1e-12)


def test_the_basis_need_not_have_hydrogen():
    oxygen = Basis(name="mine", shells={"O": (0, 1)})
    assert model_of(basis=oxygen, elements=(8,)).specification.basis == oxygen
