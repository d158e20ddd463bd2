"""Before the first step: the split, the reference energies, what the untrained model knows already."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from pydantic import ValidationError

from atnn.data import Frames
from atnn.training import DataConfig, evaluate
from atnn.training.setup import build_model, open_sets
from training.runs import config, labelled, run


def test_identical_geometries_never_sit_on_both_sides(tmp_path):
    data = Frames(labelled(12))[[k % 12 for k in range(36)]]
    for seed in range(5):
        settings = config(tmp_path / str(seed)).model_copy(
            update={"data": DataConfig(train="unused", validation=0.2, test=0.2), "seed": seed}
        )
        (tmp_path / str(seed)).mkdir()
        parts = open_sets(settings, tmp_path / str(seed), {"train": Frames(data)})
        seen = [{round(float(e), 9) for e in part[range(len(part))].labels["energy"]} for part in parts]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
        assert sum(len(part) for part in parts) == 36


def test_the_untrained_model_knows_the_mean_energy(tmp_path):
    settings, data = config(tmp_path), {"train": Frames(labelled())}
    sets = open_sets(settings, tmp_path, data)
    model, spreads = build_model(settings, sets)
    errors = evaluate(model, sets.train)["energy_per_atom"]
    assert abs(float(np.mean(errors.predicted - errors.reference))) < 3 * spreads["energy"]
    assert spreads["energy"] < 0.1 * labelled().labels["energy"].abs().mean()


def test_energies_of_isolated_atoms_are_taken_as_given(tmp_path):
    given = {"H": -1.5, "C": -2.5, "O": -3.5}
    atoms = [Atoms(symbol) for symbol in given]
    for atom, energy in zip(atoms, given.values(), strict=True):
        atom.calc = SinglePointCalculator(atom, energy=energy)
    write(tmp_path / "atoms.xyz", atoms)
    settings = config(tmp_path).model_copy(
        update={"data": DataConfig(train="unused", validation=6, isolated=str(tmp_path / "atoms.xyz"))}
    )
    model, _ = build_model(settings, open_sets(settings, tmp_path, {"train": Frames(labelled())}))
    assert model.reference_energies == pytest.approx({1: -1.5, 6: -2.5, 8: -3.5})


def test_forces_alone_are_enough_to_train_on(tmp_path):
    data = labelled()
    bare = data._replace(labels={"forces": data.labels["forces"]}, masks={"forces": data.masks["forces"]})
    result = run(tmp_path, data=bare, epochs=2, weights={"forces": 1.0})
    assert set(result.errors["validation"]) == {"forces"}
    assert all(torch.isfinite(p).all() for p in result.model.parameters())


@pytest.mark.parametrize("part", [-0.1, 0.0, 1.0, 0, -3])
def test_a_part_that_is_no_fraction_and_no_number_is_refused(part):
    for name in ("validation", "test"):
        with pytest.raises(ValidationError, match="fraction between 0 and 1"):
            DataConfig(train="a.xyz", **{name: part})
