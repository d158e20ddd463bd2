"""Training that continues from a model: which one, and how it takes over another level of theory."""

import pytest
import torch

from atnn.data import Frames
from atnn.errors import DataError, ModelFileError, SpecificationError
from atnn.model import load_model, save_model
from atnn.neighbors import neighbor_pairs
from atnn.structures import Labelled
from atnn.training import ModelConfig, PretrainConfig, RunConfig, TrainingConfig, load_config, train
from atnn.training.continued import continue_model, open_start
from atnn.training.initial import initial_model
from atnn.training.sets import open_sets
from training.runs import TINY, config, labelled, run

ATOMS = {1: 3.0, 6: -20.0, 8: 100.0}  # eV; what another method may count otherwise


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    run(folder, epochs=2)
    return folder / "model.atnn"


def other_level(data):
    """The same labels on another scale of energies."""
    table = torch.zeros(100, dtype=torch.float64)
    table[list(ATOMS)] = torch.tensor(list(ATOMS.values()), dtype=torch.float64)
    structures = data.structures
    moves = torch.zeros(len(structures), dtype=torch.float64).index_add(0, structures.batch, table[structures.numbers])
    return data._replace(labels=data.labels | {"energy": data.labels["energy"] + moves})


def energy_errors(model, data):
    structures = data.structures
    found = model(structures, neighbor_pairs(structures, model.cutoff), ("energy",))["energy"]
    return (found - data.labels["energy"]).detach()


def test_weights_stay_and_energies_move_to_the_new_level(tmp_path, trained):
    first, data = load_model(trained), other_level(labelled())
    before = {name: value.clone() for name, value in first.state_dict().items()}
    settings = config(tmp_path)
    model, _ = initial_model(settings, open_sets(settings, tmp_path, {"train": Frames(data)}), first)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) and value.data_ptr() != first.state_dict()[name].data_ptr(), name
    # Without the moves the errors would be those of the other scale, hundreds of eV.
    spread = energy_errors(first, labelled())
    errors = energy_errors(model, data)
    assert errors.abs().max() < 2 * (spread - spread.mean()).abs().max()
    # The moves fit the mean of each composition, but for the six structures that are held out.
    for atoms in data.structures.counts.unique():
        assert errors[data.structures.counts == atoms].mean().abs() < errors.std()
    assert first.reference_energies != pytest.approx(model.reference_energies)


def test_a_sample_without_energies_moves_none(tmp_path, trained):
    data = labelled()
    data.masks["energy"][:] = False
    model = continue_model(load_model(trained), Frames(data), {1, 6, 8}, {1: -1.0, 6: -2.0, 8: -3.0})
    assert model.reference_energies == {1: -1.0, 6: -2.0, 8: -3.0}


def test_a_configuration_without_a_model_takes_that_of_the_file(tmp_path, trained):
    given = {"data": {"train": "unused"}, "start": str(trained), "output": str(tmp_path)}
    resolved, start = open_start(RunConfig.model_validate(given), None)
    assert resolved.model.representation == load_model(trained).specification.representation
    assert resolved.model.hidden == (8,) and start.elements == (1, 6, 8)


def test_a_run_from_a_file_equals_one_from_the_model(tmp_path, trained):
    settings, data = config(tmp_path / "a", epochs=1), {"train": Frames(other_level(labelled()))}
    named = settings.model_copy(update={"start": str(trained), "output": str(tmp_path / "b")})
    a, b = train(settings, data, load_model(trained)).model, train(named, data).model
    assert all(torch.equal(a.state_dict()[name], value) for name, value in b.state_dict().items())
    assert b.provenance["config"]["start"] == str(trained)


def test_training_from_a_model_of_the_same_shape_is_better_than_from_nothing(tmp_path, trained):
    data = other_level(labelled(seed=3))
    kwargs = {"epochs": 1, "learning_rate": 1e-4}
    again = train(config(tmp_path / "a", **kwargs), {"train": Frames(data)}, load_model(trained))
    fresh = run(tmp_path / "b", data=data, **kwargs)
    assert again.errors["validation"]["forces"].rmse < 0.9 * fresh.errors["validation"]["forces"].rmse


def test_a_model_of_other_settings_is_refused(trained, tmp_path):
    settings = config(tmp_path).model_copy(update={"model": ModelConfig(representation=TINY, hidden=(9,))})
    with pytest.raises(SpecificationError, match=r"differs from the configuration in hidden(.|\n)*leave `model` out"):
        open_start(settings, load_model(trained))


def test_elements_that_the_model_does_not_know_are_named(tmp_path, trained):
    data = labelled()
    numbers = torch.where(data.structures.numbers == 8, 16, data.structures.numbers)
    with pytest.raises(DataError, match="start: the model to continue from does not know S"):
        other = {"train": Frames(Labelled(data.structures.replace(numbers=numbers), data.labels, data.masks))}
        train(config(tmp_path), other, load_model(trained))


def test_a_run_does_not_go_on_from_another_model(tmp_path, trained):
    data = {"train": Frames(labelled())}
    settings = config(tmp_path / "run", epochs=2, max_minutes=1e-9).model_copy(update={"start": str(trained)})
    assert not train(settings, data).finished
    other = load_model(trained)
    with torch.no_grad():
        next(other.parameters()).add_(1.0)
    save_model(tmp_path / "other.atnn", other)
    settings = settings.model_copy(update={"start": None})
    with pytest.raises(SpecificationError, match="`start` was"):
        train(settings, data, other)
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(SpecificationError, match=r"start \(in memory\): the run was begun with other model"):
        train(settings, data, other)


def test_two_beginnings_are_one_too_many(trained, tmp_path):
    named = config(tmp_path).model_copy(update={"start": str(trained)})
    with pytest.raises(SpecificationError, match="another one is given"):
        train(named, {"train": Frames(labelled())}, load_model(trained))
    path = tmp_path / "run.yaml"
    path.write_text("data: {train: x.xyz}\nstart: a.atnn\npretrain: {}\n")
    with pytest.raises(SpecificationError, match="give one or the other"):
        load_config(path)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "start.atnn").write_text("nothing")
    with pytest.raises(ModelFileError, match=r"start\.atnn"):
        train(config(tmp_path / "run").model_copy(update={"start": str(tmp_path / "start.atnn")}))


def test_pretraining_is_never_left_out_in_silence(tmp_path):
    asked = config(tmp_path).model_copy(update={"pretrain": PretrainConfig()})
    with pytest.raises(SpecificationError, match="pretrain: the configuration asks for pretraining"):
        train(asked, {"train": Frames(labelled())})


def test_keys_of_the_cheap_training_are_those_of_any(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("data: {train: x.xyz}\npretrain: {training: {epochs: 7, learning_rat: 1}}\n")
    with pytest.raises(SpecificationError, match=r"pretrain\.training\.learning_rat"):
        load_config(path)
    path.write_text("data: {train: x.xyz}\npretrain: {training: {epochs: 7}}\n")
    own = load_config(path).pretrain.training
    assert own.model_fields_set == {"epochs"} and own.model_copy(update={"epochs": 300}) == TrainingConfig()
