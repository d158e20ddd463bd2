"""What every representation owes that depends on the total charge and on the number of unpaired electrons."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.model import load_model, save_model
from atnn.structures import Structures
from contracts.models import LOCAL, NAMES, evaluate, small_model
from systems import crystal, ethanol, methane, two_fragments

BOTH = ("charge", "spin")
STATES = ((0, 0), (1, 0), (-1, 0), (0, 2), (0.5, 0), (1, 1))


def state(charge, spin, atoms=None):
    atoms = ethanol() if atoms is None else atoms
    atoms.rattle(0.05, seed=1)
    atoms.info |= {"charge": charge, "spin": spin}
    return atoms


def energy(model, atoms):
    return evaluate(model, atoms, ("energy",))["energy"].item()


@pytest.fixture(params=NAMES)
def model(request):
    return small_model(request.param, conditions=BOTH)


def test_energy_and_forces_depend_on_charge_and_spin(model):
    assert model.specification.depends_on == {"charge", "spin"}
    found = [evaluate(model, state(*numbers)) for numbers in STATES]
    for a in range(len(found)):
        for b in range(a):
            assert (found[a]["energy"] - found[b]["energy"]).abs() > 1e-4
            assert (found[a]["forces"] - found[b]["forces"]).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["eann", "spookynet"])
def test_a_model_depends_on_what_its_conditions_name_and_on_nothing_else(name):
    for chosen in ((), ("charge",), ("spin",)):
        model = small_model(name, outputs=("energy",), conditions=chosen)
        neutral, charged, triplet = (energy(model, state(*numbers)) for numbers in ((0, 0), (1, 0), (0, 2)))
        assert (neutral != charged, neutral != triplet) == ("charge" in chosen, "spin" in chosen)


@pytest.mark.parametrize("name", NAMES)
def test_charges_of_the_atoms_know_the_total_charge_beyond_their_sum(name):
    """Without the conditions, every atom of an ion has the same part of the charge."""
    for conditions, even in (((), True), (BOTH, False)):
        model = small_model(name, outputs=("energy", "dipole"), conditions=conditions)
        neutral, ion = (evaluate(model, state(q, 0), ("charges",))["charges"] for q in (0, 1))
        assert ion.sum().item() == pytest.approx(1.0)
        assert ((ion - neutral).std().item() < 1e-12) == even


def test_an_ion_may_be_turned_and_its_atoms_written_in_another_order(model):
    matrix = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    ion, order = state(1, 1), np.random.default_rng(1).permutation(9)
    turned = ion[order]
    turned.positions = turned.positions @ matrix.T
    a, b = evaluate(model, ion), evaluate(model, turned)
    torch.testing.assert_close(a["energy"], b["energy"], rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(a["forces"][order] @ torch.tensor(matrix).T, b["forces"], rtol=1e-8, atol=1e-9)


def test_forces_on_an_ion_are_the_slope_of_its_energy(model):
    s, step = Structures.from_ase([state(1, 1), state(-1, 1, crystal())]), 5e-4
    forces = evaluate(model, s)["forces"]
    for atom, axis in ((0, 0), (4, 1), (10, 2)):
        energies = []
        for moved in (1, -1, 2, -2):
            positions = s.positions.clone()
            positions[atom, axis] += moved * step
            energies.append(evaluate(model, s.replace(positions=positions), ("energy",))["energy"].sum().item())
        slope = (8 * (energies[0] - energies[1]) - (energies[2] - energies[3])) / (12 * step)
        assert forces[atom, axis].item() == pytest.approx(-slope, abs=2e-6)


def test_mixed_charges_in_a_batch_and_from_a_file_give_what_they_give_alone(model, tmp_path):
    frames = [ethanol(), state(1, 1), state(-2, 0, methane()), state(0.5, 0, crystal()), state(0, 2, molecule("O2"))]
    save_model(tmp_path / "model.atnn", model)
    batch = evaluate(load_model(tmp_path / "model.atnn"), Structures.from_ase(frames))
    alone = [evaluate(model, frame) for frame in frames]
    for name in ("energy", "forces"):
        torch.testing.assert_close(batch[name], torch.cat([a[name] for a in alone]), rtol=1e-9, atol=1e-9)


def test_a_supercell_with_as_many_charges_has_twice_the_energy(model):
    small, large = crystal(), crystal().repeat((1, 2, 1))
    small.info |= {"charge": 1, "spin": 1}
    large.info |= {"charge": 2, "spin": 2}
    assert energy(model, large) == pytest.approx(2 * energy(model, small), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_distant_fragments_add_as_neutral_singlets_and_share_a_charge(name):
    model = small_model(name, conditions=BOTH, **LOCAL.get(name, {}))
    parts = [methane(), molecule("H2O")]
    neutral = sum(energy(model, part) for part in parts)
    whole = two_fragments(30.0)
    assert energy(model, whole) == pytest.approx(neutral, abs=1e-9)
    whole.info |= {"charge": 0, "spin": 0}
    assert energy(model, whole) == pytest.approx(neutral, abs=1e-9)
    whole.info |= {"charge": 1}
    ions = []
    for ion, other in (parts, parts[::-1]):
        ion.info |= {"charge": 1}
        ions.append(energy(model, ion) + energy(model, other))
        ion.info |= {"charge": 0}
    assert all(abs(energy(model, whole) - apart) > 1e-4 for apart in ions)
