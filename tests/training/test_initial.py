"""Before the first step: the split, the reference energies, what the untrained model knows already."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from pydantic import ValidationError

from atnn import units
from atnn.data import Frames
from atnn.errors import DataError
from atnn.neighbors import neighbor_pairs
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, ModelConfig, evaluate
from atnn.training.config import Seeds
from atnn.training.initial import initial_model
from atnn.training.sets import open_sets
from training.runs import TINY, config, labelled, run


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
    model, spreads = initial_model(settings, sets)
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
    model, _ = initial_model(settings, open_sets(settings, tmp_path, {"train": Frames(labelled())}))
    assert model.reference_energies == pytest.approx({1: -1.5, 6: -2.5, 8: -3.5})


def with_sulfur(folder, symbols="HCOS"):
    """A run on H, C and O whose model is to know sulfur too, and isolated atoms of the given symbols."""
    atoms = [Atoms(symbol) for symbol in symbols]
    for atom in atoms:
        atom.calc = SinglePointCalculator(atom, energy=-float(atom.numbers[0]))
    write(folder / "atoms.xyz", atoms)
    return config(folder).model_copy(
        update={
            "data": DataConfig(train="unused", validation=6, isolated=str(folder / "atoms.xyz")),
            "model": ModelConfig(representation=TINY, hidden=(8,), networks="shared", elements=(16,)),
        }
    )


def test_an_element_without_data_is_known_through_its_shells_and_its_isolated_atom(tmp_path):
    settings = with_sulfur(tmp_path)
    model, _ = initial_model(settings, open_sets(settings, tmp_path, {"train": Frames(labelled())}))
    assert model.reference_energies == pytest.approx({1: -1.0, 6: -6.0, 8: -8.0, 16: -16.0})
    energies = []
    for symbols in ("OH2", "SH2"):
        water = Structures.from_ase(Atoms(symbols, positions=[[0, 0, 0], [0, 0, 1.2], [0, 1.2, 0]]))
        result = model(water, neighbor_pairs(water, model.cutoff), ["energy", "forces"])
        assert torch.isfinite(result["forces"]).all()
        energies.append(
            float(result["energy"].detach()) - sum(model.reference_energies[z] for z in water.numbers.tolist())
        )
    assert abs(energies[0] - energies[1]) > 1e-3


def test_an_element_without_data_and_without_its_isolated_atom_is_refused(tmp_path):
    settings = with_sulfur(tmp_path, symbols="HCO")
    with pytest.raises(DataError, match=r"have S of model\.elements"):
        initial_model(settings, open_sets(settings, tmp_path, {"train": Frames(labelled())}))


def test_an_element_without_data_needs_shared_networks():
    with pytest.raises(ValidationError, match="networks: shared"):
        ModelConfig(elements=(16,))


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


@pytest.mark.parametrize("networks", ["element", "shared"])
def test_charges_start_from_the_means_of_the_elements_and_the_energy_from_what_they_leave(tmp_path, networks):
    """Of NaCl pairs at several distances, whose labels are Coulomb's law of charges of 0.8 e."""
    distances = torch.linspace(2.2, 3.2, 12, dtype=torch.float64)
    structures = Structures.from_ase([Atoms("NaCl", positions=[[0, 0, 0], [0, 0, float(r)]]) for r in distances])
    labels = {
        "energy": -units.coulomb * 0.64 / distances,
        "charges": torch.tensor([0.8, -0.8], dtype=torch.float64).repeat(12),
    }
    data = Frames(Labelled(structures, labels, {name: torch.ones(12, dtype=torch.bool) for name in labels}))
    settings = config(tmp_path).model_copy(
        update={
            "model": ModelConfig(
                representation=TINY, outputs=("energy", "charges"), networks=networks,
                terms=({"name": "electrostatics", "damping": 0.0},),
            ),
            "training": config(tmp_path).training.model_copy(update={"weights": {"energy": 1.0, "charges": 1.0}}),
            "data": DataConfig(train="unused", validation=2),
        }
    )  # fmt: skip
    sets = open_sets(settings, tmp_path, {"train": data})
    model, _ = initial_model(settings, sets)
    errors = evaluate(model, sets.train)
    assert errors["charges"].rmse < 0.2
    # Without the electrostatics taken off, the start would miss by its 1.8 eV per atom.
    assert abs(float(np.mean(errors["energy_per_atom"].predicted - errors["energy_per_atom"].reference))) < 0.9


def test_each_seed_decides_its_own(tmp_path):
    data = {"train": Frames(labelled())}

    def made(**seeds):
        folder = tmp_path / "".join(["run", *(f"{k}{v}" for k, v in seeds.items())])
        folder.mkdir()
        settings = config(folder).model_copy(
            update={"seeds": Seeds(**seeds), "data": DataConfig(train="unused", validation=6)}
        )
        sets = open_sets(settings, folder, data)
        return sets.train.indices.tolist(), initial_model(settings, sets)[0].state_dict()

    split, weights = made()
    other_split, _ = made(split=6)
    same_split, other_weights = made(weights=6)
    assert split != other_split and split == same_split
    name = "representation.coefficients.table"
    assert not torch.equal(weights[name], other_weights[name])
