"""Models: specifications, inputs, checks at the border, precision."""

import warnings

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st

from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.model import Model, ModelPotential, ModelSpecification, Potential, group_elements
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.specification import parse
from atnn.structures import Structures
from contracts.models import CASES, evaluate, small_model
from systems import crystal, ethanol, methane, slab


@given(st.lists(st.integers(0, 4), min_size=1, max_size=300))
def test_every_atom_has_one_slot_in_a_block_of_its_element(values):
    index = torch.tensor(values)
    groups = group_elements(index, 5)
    flat = groups.slots.reshape(-1)
    assert torch.equal(flat[groups.place], torch.arange(len(index)))
    assert len(groups.place.unique()) == len(index)
    rows = groups.slots.shape[1]
    assert torch.equal(groups.block_element[groups.place // rows], index)
    assert min(groups.slots.shape) >= 2 and groups.slots.numel() <= 2 * len(index) + 5 * rows + 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"representation": {"name": "reann", "cutof": 5.0}}, "did you mean `cutoff`"),
        ({"representation": {"name": "reann", "cutoff": -1.0}}, "greater than 0"),
        ({"representation": {"name": "rean"}}, "did you mean `reann`(.|\n)*model.yaml|model.yaml(.|\n)*`reann`"),
        ({"representation": 3}, "is not the name of a representation"),
        ({"terms": ["zbl", {"reach": 1.0}]}, "is not the name of a physics term"),
        ({"terms": [{"name": "zbl", "reach": 7.0}]}, "`terms.zbl.reach` = 7.0: Input should be less than"),
        ({"representation": {"name": "eann", "channels": 0}}, "greater than or equal to 2"),
        ({"representation": {"name": "eann", "degree": 4}}, "less than or equal to 3"),
        ({"representation": {"name": "nemp", "degree": 4}}, "less than or equal to 3"),
        ({"representation": {"name": "neat", "order": 0}}, "greater than or equal to 1"),
        ({"representation": {"name": "gmp", "degree": 5}}, "less than or equal to 4"),
        ({"representation": {"name": "acsf", "radial": 0, "angular": 0}}, "radial"),
        ({"representation": {"name": "equireann"}, "elements": [1, 92], "networks": "shared"}, "up to Z = 86"),
        ({"elements": [1, 200]}, "not atomic numbers"),
        ({"elements": []}, "at least 1"),
        ({"outputs": ["energy", "dipol"]}, "did you mean `dipole`(.|\\n)*known: "),
        ({"conditions": ["charges"]}, "'charge', 'spin' or 'field'"),
        ({"layers": 3}, "unknown key `layers`"),
    ],
)
def test_a_specification_that_cannot_work_is_refused(change, message):
    values = {"elements": [1, 6], "representation": {"name": "reann"}} | change
    with pytest.raises(SpecificationError, match=message):
        parse(ModelSpecification, values, where="model.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": ["dipole"], "terms": ["zbl"]}, r"the model learns no energy(.|\n)*add energy to outputs"),
        ({"terms": ["zbl", "zbl"]}, "zbl and zbl both bring the part zbl"),
    ],
)
def test_components_that_do_not_fit_each_other_are_refused(change, message):
    values = {"elements": [1, 6], "representation": {"name": "reann"}} | change
    with pytest.raises(SpecificationError, match=message):
        Model(parse(ModelSpecification, values))


def test_parts_are_evaluated_after_those_that_they_need_and_readouts_last():
    terms = ("zbl", {"name": "d4", "functional": "pbe"}, "electrostatics", "latent_electrostatics")
    for outputs in (("energy", "charges"), ("charges", "energy")):
        model = small_model("eann", outputs=outputs, terms=terms)
        place = {name: model.order.index(name) for name in model.parts}
        assert place["charges"] < place["network"] < min(place["d4"], place["electrostatics"])
        assert place["latent_charges"] < place["latent_electrostatics"]
        assert place["energy"] == len(model.parts) - 1


def test_only_parts_that_the_outputs_need_are_evaluated():
    model, seen = small_model("eann", terms=("zbl", {"name": "d4", "functional": "pbe"})), []
    for name, part in model.parts.items():
        part.register_forward_hook(lambda *_, name=name: seen.append(name))
    evaluate(model, ethanol(), ("charges",))
    assert seen == ["dipole", "network"]
    seen.clear()
    evaluate(model, ethanol(), ("forces",))
    assert set(seen) == {"dipole", "network", "zbl", "d4", "energy"}


def test_atomic_energies_sum_to_the_energy_and_are_not_given_where_a_part_has_no_share_of_each_atom():
    model = small_model("reann", terms=("zbl", {"name": "d3", "functional": "pbe"}))
    for atoms in (ethanol(), crystal()):
        found = evaluate(model, atoms, ("energy", "atomic_energies"))
        assert found["atomic_energies"].sum().item() == pytest.approx(found["energy"].item(), rel=1e-13)
    assert "atomic_energies" not in small_model("reann", terms=("latent_electrostatics",)).outputs


@pytest.mark.parametrize("case", CASES)
def test_a_one_sided_list_gives_the_same_energies_and_derivatives(case):
    """As engines with ghost atoms have it, whose neighbors have no pairs of their own."""
    name, options = CASES[case]
    model, structures = small_model(name, outputs=("energy",), **options), Structures.from_ase(ethanol())
    pairs = neighbor_pairs(structures, model.cutoff)
    found, expected = (
        model(structures, p, ("energy", "forces", "virial")) for p in (pairs._replace(reverse=None), pairs)
    )
    for quantity, value in expected.items():
        torch.testing.assert_close(found[quantity], value, rtol=1e-9, atol=1e-10)


def test_tiny_differences_of_large_energies_survive_float32():
    model = small_model("reann", energies={1: -13.6, 6: -1035.0, 8: -20000.0}).float()
    atoms = ethanol()
    moved = ethanol()
    moved.positions[8] += 1e-3
    single = evaluate(model, moved)["energy"] - evaluate(model, atoms)["energy"]
    model = model.double()
    double = evaluate(model, moved)["energy"] - evaluate(model, atoms)["energy"]
    assert abs(evaluate(model, atoms)["energy"].item()) > 2e4
    assert single.item() == pytest.approx(double.item(), abs=2e-6)


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b, c = small_model("eann", seed=1), small_model("eann", seed=1), small_model("eann", seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(a.parameters(), c.parameters(), strict=True))


def test_calibration_standardises_the_inputs_of_every_network():
    model = small_model("reann")
    structures = Structures.from_ase([ethanol(), methane(), molecule("H2O")])
    pairs = neighbor_pairs(structures, model.cutoff)
    seen = {}
    model.start(Statistics(), structures, pairs)
    for name, network in model.named_modules():
        if hasattr(network, "spread"):
            network.layers[0].register_forward_pre_hook(lambda _, args, name=name: seen.update({name: args[0]}))
    model(structures, pairs, ("energy", "dipole"))
    assert len(seen) == 4
    place = model.prepare(structures, pairs).elements.place
    for x in seen.values():
        values = x.reshape(-1, x.shape[-1])[place]
        assert values.mean(0).abs().max() < 1e-9 and values.std(0, correction=0).max() == pytest.approx(1.0)


def test_asking_for_what_the_model_does_not_give_is_refused():
    model = small_model("eann", outputs=("energy",))
    with pytest.raises(SpecificationError, match=r"does not give dipole(.|\n)*energy, forces"):
        evaluate(model, ethanol(), ("dipole",))


def test_stress_without_a_volume_is_refused():
    for atoms in (ethanol(), slab()):
        with pytest.raises(SpecificationError, match="stress"):
            evaluate(small_model("eann"), atoms, ("stress",))


def test_unknown_elements_are_named():
    with pytest.raises(DataError, match="elements S"):
        small_model("eann").check_structures(Structures.from_ase(molecule("SH2")))


def test_an_ignored_charge_is_counted_in_a_warning():
    atoms = [ethanol(), ethanol(), ethanol()]
    atoms[0].info["charge"], atoms[2].info["charge"], atoms[1].info["charge"] = 1, -1, 0
    with pytest.warns(AtnnWarning, match="ions.xyz: 2 structures carry a total charge; the model ignores it"):
        small_model("eann", outputs=("energy",)).check_structures(Structures.from_ase(atoms), where="ions.xyz")


def test_ignored_unpaired_electrons_are_counted_in_a_warning():
    atoms = molecule("O2")
    atoms.info["spin"] = 2
    with pytest.warns(AtnnWarning, match="1 structures carry unpaired electrons"):
        small_model("eann").check_structures(Structures.from_ase(atoms))


@pytest.mark.parametrize(
    ("info", "message"),
    [({"charge": 1}, "1 structures carry a total charge"), ({"spin": 2}, "1 structures carry unpaired electrons")],
)
def test_predictions_refuse_charges_and_spins_that_the_model_ignores(info, message):
    atoms = [ethanol(), ethanol()]
    atoms[1].info |= info
    (name,) = info
    for conditions in (set(), {"charge", "spin"} - {name}):
        potential = ModelPotential(small_model("eann", outputs=("energy",), conditions=sorted(conditions)))
        with pytest.raises(DataError, match=rf"{message}(.|\n)*conditions: \[{name}\]"):
            potential(Structures.from_ase(atoms), ("energy",))
    potential(Structures.from_ase(ethanol()), ("energy",))
    atoms[1].info |= dict.fromkeys(info, 0)
    assert torch.isfinite(potential(Structures.from_ase(atoms), ("energy",))["energy"]).all()


@pytest.mark.parametrize("info", [{"charge": 1, "spin": 1}, {"spin": 2}])
def test_predictions_take_charges_and_spins_that_the_model_depends_on(info):
    atoms = ethanol()
    atoms.info |= info
    potential = ModelPotential(small_model("eann", conditions=("charge", "spin")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.isfinite(potential(Structures.from_ase(atoms), ("energy", "charges"))["charges"]).all()


def test_conditions_are_those_given_or_else_of_the_representation():
    def conditions(name, given):
        return small_model(name, conditions=given).specification.depends_on

    assert conditions("reann", None) == conditions("spookynet", ()) == frozenset()
    assert conditions("spookynet", None) == {"charge", "spin"}
    assert conditions("reann", ("spin",)) == conditions("spookynet", ("spin",)) == {"spin"}


@pytest.mark.parametrize(
    ("symbols", "info", "message"),
    [
        ("CH4", {"spin": 1}, "10 electrons cannot have 1 unpaired ones"),
        ("CH4", {"charge": 1, "spin": 0}, "9 electrons cannot have 0 unpaired ones"),
        ("CH4", {"charge": 0.5, "spin": 0}, "9.5 electrons cannot have 0 unpaired ones"),
        ("H", {"charge": 2}, "a charge of 2 e exceeds that of the nuclei, 1 e"),
        ("H2", {"spin": 4}, "2 electrons cannot have 4"),
        ("H2", {"spin": -2}, "2 electrons cannot have -2"),
    ],
)
def test_electrons_that_contradict_each_other_are_refused_by_structure(symbols, info, message):
    wrong = Atoms(symbols, positions=np.random.default_rng(0).normal(size=(len(Atoms(symbols)), 3)))
    wrong.info |= info
    structures = Structures.from_ase([ethanol(), wrong, wrong])
    for name, conditions in (("spookynet", None), ("eann", ("charge",))):
        with pytest.raises(DataError, match=rf"ions.xyz: structure 1 \({symbols}\), the first of 2: {message}"):
            small_model(name, conditions=conditions).check_structures(structures, where="ions.xyz")


def test_charges_that_no_partition_can_carry_are_refused_by_models_that_give_charges():
    proton = Structures.from_ase(Atoms("H", positions=[[0, 0, 0]])).replace(charge=torch.tensor([1.5]).double())
    with pytest.raises(DataError, match=r"a charge of 1\.5 e exceeds that of the nuclei, 1 e"):
        small_model("eann", outputs=("energy", "charges")).check_structures(proton)


@pytest.mark.parametrize(
    ("symbols", "info"),
    [("CH2", {"spin": 2}), ("CH3", {"charge": 1, "spin": 0}), ("CH3", {"charge": 0}), ("H", {"charge": 1})],
)
def test_electrons_that_fit_and_spins_that_nobody_stated_pass(symbols, info):
    atoms = Atoms(symbols, positions=np.random.default_rng(0).normal(size=(len(Atoms(symbols)), 3)))
    atoms.info |= info
    small_model("spookynet").check_structures(Structures.from_ase(atoms), refuse=True)


def test_an_electric_field_is_refused():
    atoms = ethanol()
    atoms.info["electric_field"] = [0.0, 0.0, 0.1]
    with pytest.raises(DataError, match="electric field"):
        small_model("eann").check_structures(Structures.from_ase(atoms))
    with pytest.raises(DataError, match="electric field"):
        evaluate(small_model("eann"), atoms)


def test_a_potential_of_another_precision_leaves_the_model_as_it_is():
    model = small_model("eann")
    potential = ModelPotential(model, dtype=torch.float32)
    assert (model.dtype, potential.model.dtype) == (torch.float64, torch.float32)
    assert ModelPotential(model).model is model


def test_a_potential_reuses_pairs_and_stays_right():
    model = small_model("reann")
    potential = ModelPotential(model, skin=0.6)
    assert isinstance(potential, Potential)
    rng, atoms = np.random.default_rng(0), crystal()
    for _ in range(5):
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        found = potential(Structures.from_ase(atoms), ("energy", "forces", "stress"))
        expected = evaluate(model, atoms, ("energy", "forces", "stress"))
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-10)
    assert potential.builds == 1


def test_a_potential_notices_other_elements_charges_and_batches():
    model = small_model("reann")
    potential = ModelPotential(model, skin=0.6)
    water = Structures.from_ase(molecule("H2O"))
    charged = water.replace(charge=torch.tensor([1.0], dtype=torch.float64))
    other = water.replace(numbers=torch.tensor([6, 1, 1]))
    for structures in (water, other, water.select([0, 0]), water):
        found = potential(structures, ("energy", "dipole"))
        torch.testing.assert_close(found, evaluate(model, structures, ("energy", "dipole")))
    with pytest.warns(AtnnWarning, match="total charge"):
        found = potential(charged, ("charges",))
    assert found["charges"].sum().item() == pytest.approx(1.0)
