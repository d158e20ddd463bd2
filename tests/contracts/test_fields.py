"""What every representation owes as a model of the energy in an electric field, whose derivatives are the responses."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.errors import DataError, SpecificationError
from atnn.interfaces.ase import Calculator
from atnn.model import Model, ModelPotential, load_model, save_model
from atnn.quantities import QUANTITIES
from atnn.structures import Structures
from contracts.models import LOCAL, NAMES, evaluate, features, small_model
from systems import crystal, ethanol, methane, single_atom, two_fragments
from tensors import turn

ROTATION = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
EXACT = np.array([[0, 0, -1.0], [1.0, 0, 0], [0, -1.0, 0]])  # about the diagonal of a cube
FIELD = np.array([0.3, -0.2, 0.4])  # V/Angstrom
RESPONSES = ("dipole", "polarizability", "hyperpolarizability", "born_charges", "polarizability_gradients")
FOUR = ("energy", "forces", "dipole", "polarizability")


def in_field(atoms, field=FIELD):
    result = atoms.copy()
    result.rattle(0.05, seed=1)
    result.info["electric_field"] = np.array(field)
    return result


def field_model(name, **changes):
    """A model whose field-dependent invariants are as large as training would make them."""
    model = small_model(name, **{"outputs": ("energy",), "conditions": ("field",), **changes})
    for module in model.modules():
        if hasattr(module, "unit"):
            module.unit.fill_(1.0)
        if hasattr(module, "strengths"):
            module.strengths.data.fill_(10.0)
    return model


@pytest.fixture(params=NAMES, scope="module")
def model(request):
    return field_model(request.param)


def water():
    """One in a field and one without; both are bent out of any symmetry."""
    return [in_field(molecule("H2O")), in_field(molecule("H2O"), 0 * FIELD)]


@pytest.fixture(scope="module")
def found(model):
    return evaluate(model, Structures.from_ase(water()), FOUR + RESPONSES)


def test_without_a_readout_the_model_gives_energies_forces_and_all_responses(model):
    assert "dipole" not in model.given and {*FOUR, *RESPONSES, "stress"} <= model.outputs
    assert model.depends["energy"] == {"field"}


@pytest.mark.parametrize("matrix", [-ROTATION], ids=["rotated and inverted"])
def test_everything_turns_with_molecule_and_field(model, found, matrix):
    frames = water()
    for atoms in frames:
        atoms.positions, atoms.info["electric_field"] = (
            atoms.positions @ matrix.T,
            matrix @ atoms.info["electric_field"],
        )
    after = evaluate(model, Structures.from_ase(frames), FOUR + RESPONSES)
    for name, value in found.items():
        assert value.abs().max() > 1e-3, name
        torch.testing.assert_close(after[name], turn(name, value, matrix), rtol=1e-9, atol=1e-9)


def test_a_field_that_turns_alone_changes_the_energy(model, found):
    other = evaluate(model, in_field(molecule("H2O"), ROTATION @ FIELD), ("energy",))["energy"]
    assert (found["energy"][0] - other).abs() > 1e-4


def slopes(change, step):
    """Derivatives of energy, dipole and polarizability along a line from four points."""
    totals = dict.fromkeys(("energy", "dipole", "polarizability"), 0.0)
    for place, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
        values = change(place * step)
        totals = {name: total + weight / (12 * step) * values[name] for name, total in totals.items()}
    return totals


def test_responses_are_the_slopes_of_the_energy_and_of_each_other(model, found):
    s = Structures.from_ase(water())
    line = torch.tensor([0.6, -0.3, 0.5]).double()
    numerical = slopes(
        lambda step: evaluate(model, s.replace(field=s.field + step * line), ("energy", "dipole", "polarizability")),
        3e-3,
    )
    for of, name, sign in (
        ("energy", "dipole", -1),
        ("dipole", "polarizability", 1),
        ("polarizability", "hyperpolarizability", 1),
    ):
        expected = sign * found[name] @ line
        assert (numerical[of] - expected).abs().max() < 1e-6 * max(1.0, expected.abs().max()), name


def test_forces_born_charges_and_gradients_of_the_polarizability_are_slopes_by_the_positions(model, found):
    s = Structures.from_ase(water())
    lines = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    numerical = slopes(
        lambda step: evaluate(
            model, s.replace(positions=s.positions + step * lines), ("energy", "dipole", "polarizability")
        ),
        3e-4,
    )
    for of, name, sign in (
        ("energy", "forces", -1),
        ("dipole", "born_charges", 1),
        ("polarizability", "polarizability_gradients", 1),
    ):
        along = sign * torch.einsum("a...x,ax->a...", found[name], lines)
        expected = torch.stack([along[:3].sum(0), along[3:].sum(0)])
        assert (numerical[of] - expected).abs().max() < 1e-6 * max(1.0, expected.abs().max()), name


def test_the_stress_in_a_field_is_the_slope_by_the_strain(model):
    s = Structures.from_ase(in_field(crystal()))
    shear = torch.tensor([[0.3, 0.5, 0.0], [0.5, 0.0, -0.2], [0.0, -0.2, 0.1]]).double()

    def strained(step):
        strain = torch.eye(3, dtype=torch.float64) + step * shear
        moved = s.replace(positions=s.positions @ strain, cell=s.cell @ strain)
        return evaluate(model, moved, ("energy", "dipole", "polarizability"))

    stress = evaluate(model, s, ("stress",))["stress"][0]
    slope = slopes(strained, 2e-4)["energy"][0] / s.volumes[0]
    torch.testing.assert_close(slope, (stress * shear).sum(), rtol=1e-7, atol=1e-7)


def test_polarizabilities_are_symmetric_and_sums_over_atoms_obey_the_sum_rules(model, found):
    alpha = found["polarizability"]
    torch.testing.assert_close(alpha, alpha.mT, rtol=1e-9, atol=1e-10)
    for name in ("forces", "born_charges", "polarizability_gradients"):
        assert found[name].reshape(2, 3, *found[name].shape[1:]).sum(1).abs().max() < 1e-9


def test_every_molecule_responds_in_every_direction(model):
    """The molecule of this test lies in the xy plane; z is normal to all atoms, and no vector points there."""
    flat, atom = molecule("H2O"), single_atom("O")
    flat.positions = flat.positions[:, [1, 2, 0]]
    found = evaluate(model, flat, ("dipole", "polarizability"))
    assert found["dipole"][0, :2].norm() > 1e-3 and found["dipole"][0, 2].abs() < 1e-12
    alpha = found["polarizability"][0]
    assert torch.diagonal(alpha).abs().min() > 1e-3
    assert torch.linalg.eigvalsh(alpha).diff().abs().min() > 1e-4
    alone = evaluate(model, atom, ("dipole", "polarizability"))
    assert alone["dipole"].abs().max() < 1e-12
    isotropic = alone["polarizability"][0]
    assert isotropic[0, 0].abs() > 1e-3
    torch.testing.assert_close(isotropic, isotropic[0, 0] * torch.eye(3).double(), rtol=1e-9, atol=1e-10)


def test_no_stated_field_is_a_field_of_zero(model):
    stated = in_field(molecule("H2O"), 0 * FIELD)
    atoms = stated.copy()
    del atoms.info["electric_field"]
    one, other = (evaluate(model, each, FOUR) for each in (atoms, stated))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_field_features_are_those_of_the_representation_alone(name):
    model, bare = field_model(name), small_model(name, outputs=("energy",), conditions=())
    own = {key.removeprefix("representation."): value for key, value in model.representation.state_dict().items()}
    bare.representation.load_state_dict({key: own[key] for key in bare.representation.state_dict()})
    width = bare.representation.channels[0]
    found, expected = (features(each, ethanol()).nodes[0] for each in (model, bare))
    torch.testing.assert_close(found[..., :width], expected, rtol=1e-12, atol=1e-12)
    assert found[..., width:].abs().sum() == 0


def test_mixed_fields_in_a_batch_and_from_a_file_give_what_they_give_alone(model, tmp_path):
    frames = [methane(), in_field(crystal(), -FIELD), single_atom(), in_field(molecule("H2O"))]
    save_model(tmp_path / "model.atnn", model)
    outputs = (*FOUR, "virial", "born_charges")
    batch = evaluate(load_model(tmp_path / "model.atnn"), Structures.from_ase(frames), outputs)
    alone = [evaluate(model, frame, outputs) for frame in frames]
    for name in outputs:
        torch.testing.assert_close(batch[name], torch.cat([a[name] for a in alone]), rtol=1e-9, atol=1e-9)


def test_a_supercell_in_a_field_has_twice_the_energy_and_responses(model):
    small = in_field(crystal())
    large = small.repeat((2, 1, 1))
    one, two = (evaluate(model, each, FOUR) for each in (small, large))
    for name in ("energy", "dipole", "polarizability"):
        torch.testing.assert_close(2 * one[name], two[name], rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_responses_of_distant_fragments_add(name):
    model = field_model(name, **LOCAL.get(name, {}))
    parts = [methane(), molecule("H2O")]
    whole, apart = two_fragments(30.0), []
    for each in (whole, *parts):
        each.info["electric_field"] = FIELD
        apart.append(evaluate(model, each, FOUR))
    for place in ("energy", "dipole", "polarizability"):
        torch.testing.assert_close(apart[0][place], apart[1][place] + apart[2][place], rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_in_float32_everything_turns_to_the_sixth_digit(name):
    """With a rotation that moves digits from one coordinate to another and rounds none."""
    model, atoms = field_model(name).float(), in_field(ethanol())
    turned = atoms.copy()
    turned.positions, turned.info["electric_field"] = atoms.positions @ EXACT.T, EXACT @ FIELD
    before, after = (evaluate(model, each, FOUR) for each in (atoms, turned))
    for output in FOUR[1:]:
        assert (after[output] - turn(output, before[output], EXACT)).norm() < 1e-6 * before[output].norm(), output


def test_the_calculator_gives_what_the_model_gives(model):
    atoms = in_field(ethanol())
    expected = evaluate(model, atoms, (*FOUR, "born_charges"))
    atoms.calc = Calculator(model)
    np.testing.assert_allclose(atoms.get_dipole_moment(), expected["dipole"][0], atol=1e-10)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"], atol=1e-10)
    for name in ("polarizability", "born_charges"):
        found = atoms.calc.get_property(name, atoms)
        reference = expected[name] if QUANTITIES[name].axis == "atom" else expected[name][0]
        np.testing.assert_allclose(found, reference, atol=1e-10)
    atoms.info["electric_field"] = [0.0, 0.0, 0.0]
    assert abs(atoms.get_potential_energy() - expected["energy"].item()) > 1e-4


def in_state(atoms, charge, spin, field=FIELD):
    result = in_field(atoms, field)
    result.info |= {"charge": charge, "spin": spin}
    return result


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_one_compiled_graph_gives_energy_forces_and_responses_in_every_state():
    """Of a model with all conditions. The orbital of the field is in the compiled step of training/test_fields.py."""
    model = field_model("gmp", conditions=("charge", "spin", "field"))
    eager, compiled = ModelPotential(model), ModelPotential(model, compile=True)
    for frames in (
        [in_state(ethanol(), 1, 1)],
        [in_state(ethanol(), 0, 2), in_state(methane(), -1, 1)],
        [in_state(methane(), 0, 0), in_state(crystal(), 0, 0, -FIELD)],
    ):
        batch = Structures.from_ase(frames)
        expected, found = (p(batch, FOUR) for p in (eager, compiled))
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=1e-9, atol=1e-9)
    assert len(compiled._compiled._graphs) == 1


@pytest.mark.parametrize("name", NAMES)
def test_charge_spin_and_field_enter_together_and_the_charge_knows_the_field(name):
    model = field_model(name, conditions=("charge", "spin", "field"), outputs=("energy", "charges"))
    s = Structures.from_ase(in_field(ethanol()))
    states = [(0.0, 0), (1.0, 1), (0.0, 2)]
    found = [
        evaluate(model, s.replace(charge=torch.tensor([q]).double(), spin=torch.tensor([n])), ("energy", "charges"))
        for q, n in states
    ]
    for a in range(3):
        for b in range(a):
            assert (found[a]["energy"] - found[b]["energy"]).abs() > 1e-4
    ion = s.replace(charge=torch.tensor([1.0]).double())
    charges = [
        evaluate(model, ion.replace(field=field), ("charges",))["charges"]
        for field in (s.field, torch.zeros_like(s.field))
    ]
    assert (charges[0] - charges[1]).abs().max() > 1e-6


def ion(atoms, charge=1.0):
    atoms = in_field(atoms)
    atoms.info["charge"] = charge
    return atoms


@pytest.fixture(params=NAMES)
def charged_model(request):
    return field_model(request.param, conditions=("charge", "field"))


def test_the_field_pulls_an_ion_by_its_charge_and_its_dipole_depends_on_the_origin(charged_model):
    atoms, moved, shift = ion(ethanol()), ion(ethanol()), np.array([3.0, -7.0, 11.0])
    moved.translate(shift)
    outputs = ("energy", "forces", "dipole", "polarizability", "born_charges")
    here, there = (evaluate(charged_model, each, outputs) for each in (atoms, moved))
    torch.testing.assert_close(here["forces"].sum(0), torch.tensor(FIELD), rtol=0, atol=1e-9)
    torch.testing.assert_close(here["born_charges"].sum(0), torch.eye(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(there["dipole"] - here["dipole"], torch.tensor(shift)[None], rtol=0, atol=1e-8)
    torch.testing.assert_close(there["energy"] - here["energy"], torch.tensor([-FIELD @ shift]), rtol=0, atol=1e-8)
    for name in ("forces", "polarizability"):
        torch.testing.assert_close(there[name], here[name], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["eann", "gmp"])
def test_an_ion_is_refused_where_its_energy_in_the_field_is_not_known(name, tmp_path):
    model, s = field_model(name), Structures.from_ase(ion(ethanol()))
    for call in (
        lambda: evaluate(model, s),
        lambda: model.check_structures(s),
        lambda: ModelPotential(model)(s, ("energy",)),
        lambda: Calculator(model).get_property("energy", ion(ethanol())),
    ):
        with pytest.raises(
            DataError, match=r"total charge Q, whose energy -Q F \. R .*\n.*conditions: \[charge, field\]"
        ):
            call()
    with pytest.raises(DataError, match="periodic structures are charged and in an electric field"):
        evaluate(field_model(name, conditions=("charge", "field")), ion(crystal()))


def test_a_model_without_the_condition_refuses_a_field_and_says_what_lets_it_in():
    for name in NAMES:
        model, atoms = small_model(name), in_field(ethanol())
        assert not {"hyperpolarizability"} & model.outputs
        for call in (
            lambda m=model, a=atoms: evaluate(m, a),
            lambda m=model, a=atoms: m.check_structures(Structures.from_ase(a)),
            lambda m=model, a=atoms: ModelPotential(m)(Structures.from_ase(a), ("energy",)),
            lambda m=model, a=atoms: Calculator(m).get_property("energy", a),
        ):
            with pytest.raises(DataError, match=r"electric field(.|\n)*conditions: \[field\]"):
                call()


def test_the_field_enters_only_by_request():
    for name in NAMES:
        assert "field" not in small_model(name).specification.depends_on


def test_a_dipole_that_would_be_given_twice_is_refused():
    with pytest.raises(SpecificationError, match=r"the energy depends on the electric field, so the dipole"):
        small_model("eann", outputs=("energy", "dipole"), conditions=("field",))


def test_orbitals_without_a_direction_refuse_a_field():
    for name in ("eann", "reann", "equireann"):
        with pytest.raises(SpecificationError, match="a field has one"):
            small_model(name, outputs=("energy",), conditions=("field",), degree=0)
    assert isinstance(small_model("gmp", outputs=("energy",), conditions=("field",), degree=0), Model)
