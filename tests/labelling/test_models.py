"""Labels from trained models: the mean of what the models say, and one model that learns it."""

import os

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from atnn.errors import LabellingError, ModelFileError
from atnn.labelling import Labeller, ModelLabeller, find_labeller, label
from atnn.model import save_model
from atnn.structures import Structures
from contracts.models import evaluate, small_model

WATER = molecule("H2O")


@pytest.fixture
def models(tmp_path):
    made = {str(tmp_path / f"{seed}.atnn"): small_model("eann", seed=seed) for seed in (1, 2, 3)}
    for path, model in made.items():
        save_model(path, model)
    return made


def test_labels_are_the_mean_of_the_predictions(models):
    labeller = find_labeller(",".join(models))
    assert isinstance(labeller, Labeller) and labeller == ModelLabeller(tuple(models))
    labels = labeller(Structures.from_ase(WATER))
    expected = [evaluate(model, WATER) for model in models.values()]
    assert labels["energy"] == pytest.approx(np.mean([float(each["energy"][0]) for each in expected]), rel=1e-12)
    forces = torch.stack([each["forces"] for each in expected]).mean(0)
    torch.testing.assert_close(torch.from_numpy(labels["forces"]), forces)


def test_crystals_have_a_stress_and_responses_are_labels_too(models):
    path, model = next(iter(models.items()))
    crystal = bulk("Cu", cubic=True)
    labels = find_labeller(path, ["dipole"])(Structures.from_ase(crystal))
    assert set(labels) == {"energy", "forces", "stress", "dipole"}
    stress = evaluate(model, crystal, ("stress",))["stress"][0]
    torch.testing.assert_close(torch.from_numpy(labels["stress"]), stress)


def test_worker_processes_label_as_this_one_does(models, tmp_path):
    structures = Structures.from_ase([WATER, molecule("CH4")])
    labeller = ModelLabeller(tuple(models))
    here, there = (label(structures, labeller, tmp_path / f"{n}.db", workers=n) for n in (0, 1))
    torch.testing.assert_close(here.labelled.labels, there.labelled.labels)


def test_settings_follow_the_contents_of_the_files(models, tmp_path):
    one, two, three = models
    assert ModelLabeller((one, two)).settings == ModelLabeller((two, one)).settings
    assert ModelLabeller((one,)).settings != ModelLabeller((two,)).settings
    before = ModelLabeller((three,)).settings
    save_model(three, models[one])
    os.utime(three, ns=(1, 1))
    assert before != ModelLabeller((three,)).settings == {**before, "models": ModelLabeller((one,)).settings["models"]}


def test_what_a_model_does_not_know_is_a_failure_that_says_so(models, tmp_path):
    gold = Structures.from_ase([WATER, Atoms("Au2", positions=[[0, 0, 0], [0, 0, 2.5]])])
    result = label(gold, ModelLabeller(tuple(models)), tmp_path / "labels.db", workers=0)
    assert result.indices.tolist() == [0] and "Au" in result.failures[0].reason


def test_files_that_are_no_models_and_outputs_that_they_lack_are_refused(models, tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.atnn"):
        find_labeller(str(tmp_path / "none.atnn"))
    with pytest.raises(LabellingError, match=r"1\.atnn: the model gives no polarizability"):
        find_labeller(next(iter(models)), ["polarizability"])
    with pytest.raises(LabellingError, match="no model is named"):
        _ = ModelLabeller(()).settings
