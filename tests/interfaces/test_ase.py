from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.md.verlet import VelocityVerlet
from ase.stress import full_3x3_to_voigt_6_stress

from atnn.data.matrices import join_matrix
from atnn.errors import AtnnWarning, DataError, SpecificationError
from atnn.interfaces.ase import Calculator
from atnn.labelling import LabellerPotential, TbliteLabeller
from atnn.model import Model, ModelSpecification, save_model
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES, Quantity
from atnn.specification import parse
from atnn.structures import Structures
from atnn.units import LENGTH
from contracts.models import evaluate, small_model
from dynamics.analytic import ChargedWells, Wells
from orbital_bases import SVP
from systems import ethanol, water_box


def _model(outputs=("energy", "dipole"), dtype=torch.float64, name="reann", **sizes) -> Model:
    representation = {"name": name, "cutoff": 4.0, **sizes}
    mapping = {"elements": (1, 6, 8), "representation": representation, "outputs": outputs, "hidden": (16,)}
    model = Model(parse(ModelSpecification, mapping, where="test"), {1: -13.6, 8: -2041.0})
    model.representation.neighbor_count.fill_(8.0)
    return model.to(dtype)


@pytest.fixture
def water() -> Atoms:
    atoms = water_box(1)
    atoms.calc = Calculator(_model())
    return atoms


def test_forces_are_minus_the_gradient_of_the_energy(water):
    np.testing.assert_allclose(water.get_forces(), calculate_numerical_forces(water, eps=1e-4), atol=1e-7)


def test_stress_is_the_strain_derivative_in_voigt_order(water):
    expected = calculate_numerical_stress(water, eps=1e-5)
    np.testing.assert_allclose(water.get_stress(), expected, atol=1e-7)
    assert len(set(np.round(expected, 9))) == 6, "a symmetric example would hide a wrong order"


def test_results_equal_those_of_the_model():
    model, atoms = _model(), ethanol()
    atoms.calc = Calculator(model)
    structures = Structures.from_ase(atoms)
    expected = model(structures, neighbor_pairs(structures, model.cutoff), ("energy", "forces", "dipole", "charges"))
    assert atoms.get_potential_energy() == pytest.approx(float(expected["energy"][0].detach()), abs=1e-9)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    found = (atoms.get_forces(), atoms.get_dipole_moment(), atoms.get_charges())
    for value, name in zip(found, ("forces", "dipole", "charges"), strict=True):
        reference = expected[name].detach().numpy()
        np.testing.assert_allclose(value, reference[0] if name == "dipole" else reference, atol=1e-9)


def test_single_precision_agrees_and_leaves_the_given_model_alone():
    model, atoms = _model(), ethanol()
    atoms.calc = Calculator(model)
    exact = atoms.get_forces()
    atoms.calc = Calculator(model, dtype="float32")
    np.testing.assert_allclose(atoms.get_forces(), exact, atol=1e-4)
    assert atoms.get_forces().dtype == np.float64 and model.dtype == torch.float64
    with pytest.raises(SpecificationError, match="float16"):
        Calculator(model, dtype="float16")


def test_a_model_file_will_do(tmp_path):
    model, atoms = _model(), ethanol()
    save_model(tmp_path / "model.atnn", model)
    atoms.calc = Calculator(model)
    energy = atoms.get_potential_energy()
    atoms.calc = Calculator(tmp_path / "model.atnn")
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-12)


def test_dynamics_conserves_energy_and_reuses_the_pair_list():
    atoms = ethanol()
    model = _model()
    atoms.calc = Calculator(model)
    rng = np.random.default_rng(0)
    atoms.set_momenta(rng.normal(size=(9, 3)) * np.sqrt(300 * units.kB * atoms.get_masses())[:, None])
    energies = []
    dynamics = VelocityVerlet(atoms, 0.25 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(100)
    kinetic = atoms.get_kinetic_energy()
    assert np.std(energies) < 2e-3 * kinetic
    assert 1 <= atoms.calc.potential.builds < 10


def test_changed_cell_pbc_or_composition_gives_what_a_fresh_calculator_gives(water):
    model = water.calc.potential.model
    water.get_forces()
    pieces = []
    for change in ("cell", "pbc", "numbers", "size"):
        if change == "cell":
            water.set_cell(water.cell[:] * 1.03)
        elif change == "pbc":
            water.pbc = (True, False, False)
        elif change == "numbers":
            water.numbers[1] = 6
        else:
            calculator, water = water.calc, water + Atoms("H", positions=[[9.0, 9.0, 9.0]])
            water.calc = calculator
        fresh = water.copy()
        fresh.calc = Calculator(model)
        np.testing.assert_allclose(water.get_forces(), fresh.get_forces(), atol=1e-12)
        assert water.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-10)
        pieces.append(water.get_potential_energy())
    assert len(set(np.round(pieces, 8))) == 4


def test_a_hamiltonian_beside_energy_and_forces_is_the_matrix_of_all_orbitals():
    model, atoms = small_model("eann", elements=(1, 6, 8), outputs=("energy", "hamiltonian"), basis=SVP), ethanol()
    atoms.calc = Calculator(model)
    assert {"energy", "forces", "hamiltonian"} <= set(atoms.calc.implemented_properties)
    atoms.get_forces()
    assert "hamiltonian" not in atoms.calc.results, "dynamics does not pay for it"
    found = atoms.calc.get_property("hamiltonian", atoms)
    expected = evaluate(model, atoms, ("forces", "hamiltonian"))
    assert found.shape == (3 * 14 + 6 * 5, 3 * 14 + 6 * 5)
    matrix = SVP.join(expected["hamiltonian"], torch.from_numpy(atoms.numbers))
    np.testing.assert_allclose(found, matrix.numpy(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"].numpy(), rtol=0, atol=1e-11)


def test_asking_for_more_at_one_geometry_keeps_the_pair_list(water):
    water.get_forces()
    water.get_stress()
    water.positions += 1e-3
    water.get_forces()
    assert "stress" in water.calc.results and water.calc.potential.builds == 1


def test_a_charge_that_the_model_ignores_is_refused():
    atoms = ethanol()
    atoms.info["charge"] = 1
    atoms.calc = Calculator(_model(outputs=("energy",)))
    with pytest.raises(DataError, match=r"total charge(.|\n)*conditions: \[charge\]"):
        atoms.get_forces()


def test_charge_and_spin_are_read_from_info_and_asked_for_at_every_change():
    atoms = ethanol()
    atoms.calc = Calculator(_model(outputs=("energy",), name="spookynet", channels=8, rounds=1))
    energies = []
    for charge, spin in ((0, 0), (1, 1), (0, 2), (0, 0)):
        atoms.info.update(charge=charge, spin=spin)
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[3] and len({round(energy, 8) for energy in energies}) == 3


def test_a_charge_that_only_the_dipole_sees_is_warned_about_once():
    atoms = ethanol()
    atoms.info["charge"] = 1
    atoms.calc = Calculator(_model())
    with pytest.warns(AtnnWarning, match="total charge") as caught:
        atoms.get_forces()
        atoms.rattle(0.01)
        atoms.get_forces()
    assert len(caught) == 1


def test_the_charges_sum_to_the_total_even_when_it_changes():
    atoms = ethanol()
    atoms.calc = Calculator(_model())
    assert atoms.get_charges().sum() == pytest.approx(0, abs=1e-10)
    atoms.info["charge"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AtnnWarning)
        assert atoms.get_charges().sum() == pytest.approx(1, abs=1e-10)


def test_unknown_elements_and_missing_properties_are_errors():
    atoms = molecule("NH3")
    atoms.calc = Calculator(_model())
    with pytest.raises(DataError, match="N"):
        atoms.get_forces()
    water = molecule("H2O")
    water.calc = Calculator(_model(outputs=("energy",)))
    with pytest.raises(PropertyNotImplementedError):
        water.get_dipole_moment()
    water.get_forces()
    with pytest.raises(SpecificationError, match="periodic"):
        water.get_stress()


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_compiled_and_plain_results_agree():
    atoms = ethanol()
    model = _model(outputs=("energy",), name="eann")
    atoms.calc = Calculator(model)
    plain = atoms.get_forces()
    atoms.calc = Calculator(model, compile=True)
    np.testing.assert_allclose(atoms.get_forces(), plain, atol=1e-8)


def test_every_output_of_the_table_is_given_as_ase_has_it(water):
    model = _model(outputs=("energy", "dipole"))
    water.calc = Calculator(model)
    structures = Structures.from_ase(water)
    names = sorted(model.outputs)
    expected = model(structures, neighbor_pairs(structures, model.cutoff), names)
    assert {"virial", "atomic_dipoles"} <= set(names) <= set(water.calc.implemented_properties)
    for name in names:
        found, value = water.calc.get_property(name, water), expected[name].detach().numpy()
        value = value[0] if QUANTITIES[name].axis == "structure" else join_matrix(value, QUANTITIES[name])
        value = full_3x3_to_voigt_6_stress(value) if name == "stress" else value
        np.testing.assert_allclose(found, value, atol=1e-9, err_msg=name)
    assert isinstance(water.get_potential_energy(), float)


def test_any_potential_is_a_calculator_with_the_quantities_that_users_add(monkeypatch):
    monkeypatch.setitem(QUANTITIES, "squares", Quantity("squares", "atom", (), LENGTH**2, False, 0, 1))

    class Squares(Wells):
        outputs = frozenset({"energy", "forces", "squares", "nameless"})

        def __call__(self, structures, outputs):
            found = super().__call__(structures, outputs)
            return {**found, "squares": structures.positions.square().sum(1), "nameless": torch.zeros(1)}

    atoms = ethanol()
    atoms.calc = Calculator(Squares())
    np.testing.assert_allclose(atoms.calc.get_property("squares", atoms), (atoms.positions**2).sum(1))
    np.testing.assert_allclose(atoms.get_forces(), -5.0 * atoms.positions)
    assert "nameless" not in atoms.calc.implemented_properties


def test_a_reference_method_is_a_calculator_and_sees_a_changed_charge(tmp_path):
    pytest.importorskip("tblite")
    labeller, atoms = TbliteLabeller(), molecule("H2O")
    atoms.calc = Calculator(LabellerPotential(labeller, tmp_path / "labels.db"))
    for charge in (0, 1):
        atoms.info["charge"] = charge
        expected = labeller(Structures.from_ase(atoms))
        assert atoms.get_potential_energy() == pytest.approx(float(expected["energy"]))
        np.testing.assert_allclose(atoms.get_dipole_moment(), expected["dipole"])


def test_settings_of_a_model_are_refused_for_a_potential():
    with pytest.raises(SpecificationError, match="compile, skin"):
        Calculator(Wells(), compile=True, skin=0.3)


def test_coincident_atoms_are_an_error_at_the_first_and_at_a_later_call():
    atoms = ethanol()
    atoms.calc = Calculator(_model())
    atoms.get_forces()
    for _ in range(12):  # in steps shorter than the skin, so that the pair list is never rebuilt for them
        atoms.positions[1] += 0.1 * (atoms.positions[0] - atoms.positions[1])
        if atoms.get_distance(0, 1) < 0.1:
            break
        atoms.get_forces()
    atoms.positions[1] = atoms.positions[0] + [0, 0, 0.05]
    with pytest.raises(DataError, match=r"atoms 0 and 1 are 0\.05 Angstrom apart"):
        atoms.get_forces()
    atoms.calc = Calculator(_model())
    with pytest.raises(DataError, match="Angstrom apart"):
        atoms.get_potential_energy()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_positions_that_are_not_finite_are_an_error_at_a_later_call(value):
    atoms = ethanol()
    atoms.calc = Calculator(_model())
    atoms.get_forces()
    atoms.positions[3, 1] = value
    with pytest.raises(DataError, match="atom 3"):
        atoms.get_forces()


def test_constraints_are_the_business_of_ase():
    from ase.constraints import FixAtoms, FixBondLength

    atoms = ethanol()
    atoms.calc = Calculator(_model())
    free = atoms.get_forces()
    atoms.set_constraint([FixAtoms([0]), FixBondLength(1, 2)])
    assert np.allclose(atoms.get_forces(apply_constraint=False), free)
    assert (atoms.get_forces()[0] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_no_number_is_refused_at_every_call(water, value):
    water.get_potential_energy()
    water.positions[1, 2] = value
    with pytest.raises(DataError, match="NaN, infinite"):
        water.get_potential_energy()


def test_a_charge_that_is_no_number_is_refused_at_every_call(water):
    water.get_potential_energy()
    water.info["charge"] = "x"
    with pytest.raises(DataError, match="charge = 'x'"):
        water.get_potential_energy()


@pytest.mark.parametrize(
    "settings", [{"skin": -1.0}, {"skin": 1e9}, {"skin": float("nan")}, {"dtype": "x"}, {"dtype": torch.int64}]
)
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(SpecificationError, match=next(iter(settings))):
        Calculator(_model(), **settings)


def test_coinciding_atoms_are_refused(water):
    water.positions[1] = water.positions[0] + 0.01
    with pytest.raises(DataError, match="atoms 0 and 1 are"):
        water.get_potential_energy()


def test_responses_and_a_changed_field_are_seen():
    atoms = ethanol()
    atoms.calc = Calculator(ChargedWells())
    dipoles = []
    for strength in (0.0, 0.2):
        atoms.info["electric_field"] = np.array([0.0, 0.0, strength])
        dipoles.append(atoms.get_dipole_moment())
        assert {"energy", "forces", "dipole"} <= set(atoms.calc.results)
    np.testing.assert_allclose(dipoles[1] - dipoles[0], [0, 0, 0.3 * 9 * 0.2], atol=1e-12)
    energy = atoms.get_potential_energy()
    atoms.info["electric_field"][2] = 0.4  # in place
    assert atoms.get_potential_energy() != energy
    alpha = atoms.calc.get_property("polarizability", atoms)
    np.testing.assert_allclose(alpha, 2.7 * np.eye(3), atol=1e-12)
    born = atoms.calc.get_property("born_charges", atoms)
    assert born.shape == (9, 3, 3) and np.allclose(born, 0.7 * np.eye(3))
    assert "polarizability" in atoms.calc.results and "born_charges" in atoms.calc.results
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("hyperpolarizability", atoms)
