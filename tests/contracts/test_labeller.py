"""What every registered labeller must satisfy: the signs, units and symmetries of its labels, and its errors."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.errors import LabellingError
from atnn.labelling import LABELLERS, Labeller
from atnn.labelling.protocol import check_labels
from atnn.structures import Structures

# A new labeller adds a line, with settings that make it fast; without it the whole file fails.
FAST = {"tblite": {}, "pyscf": {"basis": "sto-3g"}}
# Largest force that a rotation or a finite difference leaves [eV/Angstrom]: integration grids do not turn.
TOLERANCE = {"tblite": 2e-4, "pyscf": 2e-3}


@pytest.fixture(params=sorted(LABELLERS))
def name(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def labeller(name):
    return LABELLERS[name](**FAST[name])


def water(**info) -> Atoms:
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=4)
    atoms.info.update(info)
    return atoms


def labels_of(labeller, atoms):
    return labeller(Structures.from_ase(atoms))


def test_its_settings_say_what_it_is(labeller, name):
    assert isinstance(labeller, Labeller)
    assert labeller.settings["program"] == name and labeller.settings["version"]
    assert json.loads(json.dumps(dict(labeller.settings))) == dict(labeller.settings)
    assert LABELLERS[name]().settings["program"] == name, "it has a default for each setting"


def test_labels_have_the_names_and_shapes_of_the_table(labeller):
    labels = labels_of(labeller, water())
    check_labels(labels, Structures.from_ase(water()))
    assert {"energy", "forces"} <= set(labels)


def test_energies_are_in_electron_volt(labeller):
    # that of hydrogen is -13.6 eV; minimal bases and tight binding come near
    assert -15 < labels_of(labeller, Atoms("H", positions=[[0.0, 0.0, 0.0]], info={"spin": 1}))["energy"] < -10


def test_forces_are_minus_the_gradient_of_the_energy(labeller, name):
    forces, step = labels_of(labeller, water())["forces"], 2e-3
    for atom, axis in ((0, 2), (1, 1)):
        energies = []
        for sign in (1, -1):
            moved = water()
            moved.positions[atom, axis] += sign * step
            energies.append(labels_of(labeller, moved)["energy"])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=TOLERANCE[name]) and abs(slope) > 0.1


def test_forces_and_dipole_turn_with_the_molecule(labeller, name):
    matrix = Rotation.from_rotvec([0.4, 0.2, -0.9]).as_matrix()
    turned = water()
    turned.positions = turned.positions @ matrix.T
    before, after = labels_of(labeller, water()), labels_of(labeller, turned)
    assert after["energy"] == pytest.approx(float(before["energy"]), abs=TOLERANCE[name])
    for what in ("forces", "dipole"):
        np.testing.assert_allclose(after[what], before[what] @ matrix.T, atol=TOLERANCE[name])
        assert np.abs(before[what]).max() > 0.1


def test_the_dipole_of_an_ion_moves_by_its_charge_times_the_shift(labeller):
    near, far = (Atoms("OH", positions=[[x, 0, 0], [x, 0, 0.97]], info={"charge": -1}) for x in (0.0, 3.0))
    a, b = labels_of(labeller, near), labels_of(labeller, far)
    np.testing.assert_allclose(b["dipole"] - a["dipole"], [-3.0, 0, 0], atol=1e-4)
    assert b["energy"] == pytest.approx(float(a["energy"]), abs=1e-4)
    np.testing.assert_allclose(b["forces"], a["forces"], atol=1e-3)


def test_charges_sum_to_the_total_charge_and_agree_with_the_dipole_in_sign(labeller):
    for charge in (0, 1):
        labels = labels_of(labeller, water(charge=charge))
        assert labels["charges"].sum() == pytest.approx(charge, abs=1e-5)
    labels = labels_of(labeller, water())
    assert labels["dipole"] @ (labels["charges"] @ water().positions) > 0


def test_atoms_may_come_in_any_order(labeller, name):
    order = [2, 0, 1]
    before, after = labels_of(labeller, water()), labels_of(labeller, water()[order])
    assert after["energy"] == pytest.approx(float(before["energy"]), abs=1e-6)
    for what in ("forces", "charges"):
        np.testing.assert_allclose(after[what], before[what][order], atol=TOLERANCE[name])


def test_equal_settings_give_equal_labels_wherever_it_travels(labeller, name):
    other = pickle.loads(pickle.dumps(LABELLERS[name](**FAST[name])))
    assert other.settings == labeller.settings
    a, b = labels_of(labeller, water()), labels_of(other, water())
    assert set(a) == set(b)
    for what, value in a.items():
        np.testing.assert_allclose(b[what], value, rtol=0, atol=1e-9)


def test_it_leaves_the_structure_as_it_is(labeller):
    structure = Structures.from_ase(water(charge=1))
    before = structure.positions.clone()
    labeller(structure)
    assert torch.equal(structure.positions, before) and structure.charge.tolist() == [1.0]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 0.5}, "fractional"),
        ({"charge": 0, "spin": 1}, "electrons cannot have"),
        ({"charge": 1, "spin": 13}, "electrons cannot have"),
        ({"spin": -2}, "electrons cannot have"),
    ],
)
def test_impossible_electrons_are_errors(labeller, info, message):
    with pytest.raises(LabellingError, match=message):
        labels_of(labeller, water(**info))


def test_structures_come_one_by_one(labeller):
    with pytest.raises(LabellingError, match="2 structures"):
        labeller(Structures.from_ase([water(), water()]))


def test_a_field_of_zero_is_none(labeller):
    expected = labels_of(labeller, water())["energy"]
    assert labels_of(labeller, water(electric_field=[0.0, 0.0, 0.0]))["energy"] == pytest.approx(float(expected))


FIELD = np.array([0.10, -0.15, 0.20])  # V/Angstrom
ALONG = np.array([0.48, -0.60, 0.64])  # a direction


def in_field(labeller, field, **info):
    return labels_of(labeller, water(electric_field=field, **info))


def slope_along(labeller, quantity, step=0.03, **info):
    plus, minus = (in_field(labeller, FIELD + sign * step * ALONG, **info)[quantity] for sign in (1, -1))
    return (plus - minus) / (2 * step)


@pytest.mark.parametrize("info", [{}, {"charge": 1, "spin": 1}], ids=["molecule", "radical cation"])
def test_the_dipole_is_minus_the_derivative_of_the_energy_by_the_field(labeller, info):
    dipole = in_field(labeller, FIELD, **info)["dipole"]
    assert dipole @ ALONG == pytest.approx(-slope_along(labeller, "energy", **info), abs=1e-4)
    assert np.abs(dipole - labels_of(labeller, water(**info))["dipole"]).max() > 3e-3, "the field polarises"


def test_forces_in_a_field_are_minus_the_gradient_of_the_energy(labeller, name):
    forces, step = in_field(labeller, 5 * FIELD)["forces"], 2e-3
    for atom, axis in ((0, 0), (1, 2)):
        energies = []
        for sign in (1, -1):
            moved = water(electric_field=5 * FIELD)
            moved.positions[atom, axis] += sign * step
            energies.append(labels_of(labeller, moved)["energy"])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=TOLERANCE[name])
    assert np.abs(forces - labels_of(labeller, water())["forces"]).max() > 0.1


def test_a_neutral_molecule_in_a_field_feels_no_net_force_and_an_ion_its_charge_times_the_field(labeller, name):
    for charge, spin in ((0, 0), (1, 1)):
        total = in_field(labeller, FIELD, charge=charge, spin=spin)["forces"].sum(0)
        np.testing.assert_allclose(total, charge * FIELD, atol=1e-5)


# Of the largest element: PySCF's Hessian lacks the response of the integration grid, tblite's is a difference.
HESSIAN = {"tblite": 1e-4, "pyscf": 3e-4}


def test_the_hessian_is_minus_the_derivative_of_the_forces(labeller, name):
    labels = labels_of(responding(name, "hessian"), water())
    check_labels(labels, Structures.from_ase(water()))
    hessian, step = labels["hessian"].reshape(3, 3, 3, 3), 2e-3  # first and second atom, their axes
    close = HESSIAN[name] * np.abs(hessian).max()
    for atom, axis in ((0, 2), (1, 1)):
        forces = []
        for sign in (1, -1):
            moved = water()
            moved.positions[atom, axis] += sign * step
            forces.append(labels_of(labeller, moved)["forces"])
        slope = -(forces[0] - forces[1]) / (2 * step)
        np.testing.assert_allclose(hessian[:, atom, :, axis], slope, rtol=0, atol=close)
    np.testing.assert_allclose(hessian, hessian.transpose(1, 0, 3, 2), rtol=0, atol=1e-12 * np.abs(hessian).max())
    np.testing.assert_allclose(hessian.sum(1), np.zeros((3, 3, 3)), rtol=0, atol=close)
    skew = hessian[0, 1] - hessian[0, 1].T
    assert np.abs(skew).max() > 0.1, "symmetric blocks would hide transposed axes"


def test_a_hessian_takes_no_field_and_leaves_the_other_labels_alone(labeller, name):
    alone, all_ = responding(name, "hessian"), responding(name, "hessian", "polarizability")
    assert alone.settings["responses"] == "hessian" and "field_step" not in alone.settings
    assert all_.settings["responses"] == "hessian,polarizability" and "field_step" in all_.settings
    before, after = labels_of(labeller, water(charge=1, spin=1)), labels_of(alone, water(charge=1, spin=1))
    assert set(after) == {*before, "hessian"}
    np.testing.assert_allclose(after["forces"], before["forces"], atol=1e-9)


def responding(name, *responses):
    return LABELLERS[name](**FAST[name], responses=responses or ("polarizability", "born_charges"))


@pytest.fixture(scope="module")
def responses_in_field():
    """Labels of water in the field, once for each labeller."""
    found = {}

    def compute(name):
        if name not in found:
            found[name] = in_field(responding(name), FIELD)
        return found[name]

    return compute


def test_the_polarizability_is_the_derivative_of_the_dipole_by_the_field(labeller, name, responses_in_field):
    polarizability = responses_in_field(name)["polarizability"]
    expected = slope_along(labeller, "dipole")
    np.testing.assert_allclose(polarizability @ ALONG, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(polarizability, polarizability.T)
    assert (np.linalg.eigvalsh(polarizability) > 0).all()


def test_born_charges_are_derivatives_of_the_dipole_and_sum_to_zero(labeller, name, responses_in_field):
    labels, step = responses_in_field(name), 2e-3
    check_labels(labels, Structures.from_ase(water()))
    for atom, axis in ((0, 0), (1, 2)):
        dipoles = []
        for sign in (1, -1):
            moved = water(electric_field=FIELD)
            moved.positions[atom, axis] += sign * step
            dipoles.append(labels_of(labeller, moved)["dipole"])
        slope = (dipoles[0] - dipoles[1]) / (2 * step)
        np.testing.assert_allclose(labels["born_charges"][atom, :, axis], slope, atol=TOLERANCE[name])
    skew = labels["born_charges"] - labels["born_charges"].transpose(0, 2, 1)
    assert np.abs(skew).max() > 0.01, "a symmetric example would hide transposed axes"
    np.testing.assert_allclose(labels["born_charges"].sum(0), np.zeros((3, 3)), atol=1e-4)


def test_responses_of_a_radical_ion(labeller, name):
    ion = responding(name, *(("polarizability",) if name == "pyscf" else ()))
    labels = in_field(ion, FIELD, charge=1, spin=1)
    tight = LABELLERS[name](**FAST[name], **({"convergence": 1e-12} if name == "pyscf" else {}))
    expected = slope_along(tight, "dipole", charge=1, spin=1)
    largest = np.abs(labels["polarizability"]).max()
    np.testing.assert_allclose(labels["polarizability"] @ ALONG, expected, rtol=0, atol=3e-4 * largest)
    if "born_charges" in labels:
        np.testing.assert_allclose(labels["born_charges"].sum(0), np.eye(3), atol=1e-4)


def test_responses_are_part_of_the_settings_and_change_nothing_else(labeller, name, responses_in_field):
    settings = responding(name).settings
    assert settings != labeller.settings and settings != responding(name, "polarizability").settings
    assert settings == responding(name, "born_charges", "polarizability").settings
    assert "responses" not in labeller.settings, "stores that are older than responses stay valid"
    before, after = in_field(labeller, FIELD), responses_in_field(name)
    assert set(after) == {*before, "polarizability", "born_charges"}
    for what, value in before.items():
        np.testing.assert_allclose(after[what], value, atol=1e-9)


def test_responses_that_it_cannot_give_are_refused(name):
    with pytest.raises(LabellingError, match="hyperpolarizability"):
        LABELLERS[name](responses=("hyperpolarizability",))


def test_a_crystal_in_a_field_is_refused(labeller, name):
    crystal = Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.95]], cell=[4, 4, 4], pbc=True)
    wanting = LABELLERS[name](**FAST[name], responses=("polarizability",))
    for method, info in ((labeller, {"electric_field": FIELD}), (wanting, {})):
        crystal.info = info
        with pytest.raises(LabellingError, match=r"periodic|for molecules"):
            labels_of(method, crystal)
