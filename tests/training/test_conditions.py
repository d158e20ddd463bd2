"""Training on charged and open-shell structures."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.errors import AtnnWarning, DataError
from atnn.labelling import TbliteLabeller, label
from atnn.structures import Labelled, Structures
from atnn.training import ModelConfig, train
from training.runs import TINY, config


def two_states(folder, count=16):
    """Rattled water, and the same geometries as cations; GFN2-xTB."""
    rng, frames = np.random.default_rng(0), []
    for _ in range(count):
        water = molecule("H2O")
        water.positions += rng.normal(scale=0.08, size=(3, 3))
        for charge in (0, 1):
            frames.append(water.copy())
            frames[-1].info["charge"] = charge
    return label(Structures.from_ase(frames), TbliteLabeller(), folder / "labels.db", workers=0).labelled


def settings(folder, conditions, **training):
    given = config(folder, **{"dtype": "float64", **training})
    model = ModelConfig(representation=TINY, conditions=conditions, hidden=(16,))
    return given.model_copy(update={"model": model})


@pytest.mark.filterwarnings("ignore:.*carry a total charge; the model ignores it")
def test_two_charge_states_of_one_geometry_are_learned_where_the_model_knows_the_charge(tmp_path):
    data = Frames(two_states(tmp_path))
    ionization = float(data.labelled.labels["energy"].reshape(-1, 2).diff(dim=1).mean())
    errors = {}
    for conditions in ((), ("charge",)):
        folder = tmp_path / f"{len(conditions)}"
        run = settings(folder, conditions, epochs=25 if conditions else 2, weights={"energy": 1.0, "forces": 1.0})
        errors[conditions] = train(run, {"train": data}).errors["validation"]["energy"].maximum
    # Whatever it says, a model that cannot tell them apart is wrong by half their difference for one of the two.
    assert ionization > 5.0 and errors[()] > 0.45 * ionization
    assert errors["charge",] < 0.02 * ionization


def labelled_charges(stated, excess=0.0):
    """Water molecules with atomic charges that sum to one, beside a given excess."""
    structures = Structures.from_ase([molecule("H2O") for _ in range(12)])
    structures = structures.replace(positions=structures.positions + 0.05 * torch.randn(36, 3).double())
    structures = structures.replace(charge=torch.ones(12).double() if stated else None)
    labels = {
        "energy": torch.randn(12).double(),
        "charges": torch.tensor([-0.2, 0.6, 0.6 + excess]).double().repeat(12),
    }
    return Labelled(structures, labels, {name: torch.ones(12, dtype=torch.bool) for name in labels})


def test_charges_that_belong_to_another_total_charge_are_refused(tmp_path):
    run = settings(tmp_path, (), epochs=1, weights={"energy": 1.0, "charges": 1.0})
    run = run.model_copy(update={"model": run.model.model_copy(update={"outputs": ("energy", "charges")})})
    with pytest.raises(DataError, match=r"train data: the charges of the atoms of 6 structures do not.*by up to 1 e"):
        train(run, {"train": Frames(labelled_charges(stated=False))})


@pytest.mark.filterwarnings("ignore:.*enters the charges but not the energy")
def test_charges_that_sum_to_a_stated_charge_but_for_rounding_are_trained_on(tmp_path):
    run = settings(tmp_path, (), epochs=1, weights={"energy": 1.0, "charges": 1.0})
    run = run.model_copy(update={"model": run.model.model_copy(update={"outputs": ("energy", "charges")})})
    result = train(run, {"train": Frames(labelled_charges(stated=True, excess=0.003))})
    assert result.errors["validation"]["charges"].maximum < 1.0


def test_conditions_that_no_structure_has_are_warned_of(tmp_path):
    structures = Structures.from_ase([molecule("H2O")] * 12)
    structures = structures.replace(positions=structures.positions + 0.05 * torch.randn(36, 3).double())
    data = Labelled(structures, {"energy": torch.randn(12).double()}, {"energy": torch.ones(12, dtype=torch.bool)})
    for stated in (None, torch.zeros(12).double()):
        given = Frames(data._replace(structures=structures.replace(charge=stated)))
        folder = tmp_path / str(stated is None)
        with pytest.warns(AtnnWarning, match=r"model\.conditions names charge, but it is zero or not stated"):
            result = train(settings(folder, ("charge",), epochs=1, weights={"energy": 1.0}), {"train": given})
        assert result.model.specification.depends_on == {"charge"}


def test_born_charges_of_charged_cells_are_refused_where_they_would_be_derived(tmp_path):
    frames = [molecule("H2O", cell=(12.0, 12.0, 12.0), pbc=True, info={"charge": 1.0}) for _ in range(24)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.02, seed=seed)
    born = torch.eye(3).double().expand(72, 3, 3) / 3
    given = Labelled(Structures.from_ase(frames), {"born_charges": born}, {"born_charges": torch.ones(24).bool()})
    run = config(tmp_path, outputs=("dipole",), weights={"born_charges": 1.0})
    with pytest.raises(DataError, match=r"train data.*sum to zero and not to the charge"):
        train(run, {"train": Frames(given)})
