"""Errors on labelled structures: what numpy says, over what is labelled."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from atnn.data import Frames
from atnn.errors import DataError
from atnn.model import Model, ModelSpecification
from atnn.neighbors import neighbor_pairs
from atnn.training import evaluate, load_errors, save_errors
from atnn.training.sets import Subset
from training.runs import TINY, crystals_and_molecules, labelled


def model(elements=(1, 6, 8)):
    return Model(ModelSpecification(elements=elements, representation=TINY, hidden=(8,)), seed=1).double()


def test_errors_are_those_of_numpy_in_any_batch_size():
    potential, data = model(), labelled(7)
    structures = data.structures
    results = potential(structures, neighbor_pairs(structures, potential.cutoff), ("energy", "forces"))
    for size in (2, 7):
        errors = evaluate(potential, Frames(data), batch_size=size)
        for name, scale in (("energy", 1.0), ("forces", 1.0), ("energy_per_atom", structures.counts.numpy())):
            label = name.removesuffix("_per_atom")
            difference = (results[label].detach().double() - data.labels[label]).numpy() / scale
            assert errors[name].rmse == pytest.approx(np.sqrt(np.mean(difference**2)), rel=1e-9)
            assert errors[name].mae == pytest.approx(np.mean(np.abs(difference)), rel=1e-9)
            assert errors[name].maximum == pytest.approx(np.max(np.abs(difference)), rel=1e-9)


def test_values_without_a_label_do_not_count():
    potential, data = model(), labelled(6)
    masks = {"energy": torch.tensor([1, 0, 1, 0, 1, 1]).bool(), "forces": torch.tensor([0, 1, 0, 0, 0, 0]).bool()}
    labels = {"energy": data.labels["energy"].clone(), "forces": data.labels["forces"]}
    labels["energy"][1] = float("nan")
    errors = evaluate(potential, Frames(data._replace(labels=labels, masks=masks)), batch_size=4)
    assert len(errors["energy"].predicted) == 4 and np.isfinite(errors["energy"].rmse)
    assert errors["forces"].predicted.shape == (9, 3)
    np.testing.assert_array_equal(errors["forces"].numbers, data.structures.numbers[data.structures.batch == 1])
    assert errors["energy"].numbers is None


def test_the_stress_is_compared_where_there_is_a_cell():
    errors = evaluate(model((1, 8, 29)), Frames(crystals_and_molecules(6)))
    assert errors["stress"].predicted.shape == (3, 3, 3) and len(errors["energy"].predicted) == 6


@pytest.mark.parametrize("size", [2, 5, 64])
def test_each_row_names_the_frame_and_the_atom_that_it_is_of(size):
    data = crystals_and_molecules(8)  # the stress is that of every second
    data.masks["forces"][3] = False
    chosen = np.array([1, 3, 4, 7])  # a part of a file names the frames of the file
    errors = evaluate(model((1, 8, 29)), Subset(Frames(data), chosen), batch_size=size)
    assert errors["energy"].frames.tolist() == [1, 3, 4, 7] and errors["energy"].atoms is None
    assert errors["stress"].frames.tolist() == [1, 3, 7]
    for frame, atom, reference in zip(
        errors["forces"].frames, errors["forces"].atoms, errors["forces"].reference, strict=True
    ):
        own = data.labels["forces"][data.structures.batch == frame]
        np.testing.assert_array_equal(own[atom], reference)
    assert set(errors["forces"].frames.tolist()) == {1, 4, 7}


def test_only_what_is_asked_for_is_compared():
    assert set(evaluate(model(), Frames(labelled(2)), ["forces"])) == {"forces"}


def test_errors_survive_their_file(tmp_path):
    errors = evaluate(model(), Frames(labelled(4)))
    save_errors(tmp_path / "errors.safetensors", errors)
    loaded = load_errors(tmp_path / "errors.safetensors")
    assert set(loaded) == set(errors)
    for name in errors:
        np.testing.assert_array_equal(loaded[name].predicted, errors[name].predicted)
        np.testing.assert_array_equal(loaded[name].reference, errors[name].reference)
        for part in ("numbers", "frames", "atoms"):
            np.testing.assert_array_equal(getattr(loaded[name], part), getattr(errors[name], part))


def test_damaged_errors_are_refused(tmp_path):
    path = tmp_path / "errors.safetensors"
    save_errors(path, evaluate(model(), Frames(labelled(4))))
    content = path.read_bytes()
    for place in range(8, len(content), 61):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"errors\.safetensors"):
            load_errors(path)


def test_errors_of_a_file_without_header_are_read(tmp_path):
    save_file({"energy.predicted": np.ones(3), "energy.reference": np.zeros(3)}, tmp_path / "old.safetensors")
    assert load_errors(tmp_path / "old.safetensors")["energy"].rmse == 1.0
    save_file({"energy": np.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="no predictions"):
        load_errors(tmp_path / "other.safetensors")
