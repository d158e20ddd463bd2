"""Pretraining on a cheap method: what it labels, what it learns, that it goes on where it was stopped."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from ase.build import add_adsorbate, fcc111, molecule
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from ase.constraints import FixAtoms

from atnn.active import pretrain, pretraining
from atnn.data import Frames
from atnn.dynamics import Trajectory
from atnn.errors import DynamicsError, LabellingError, SpecificationError
from atnn.labelling import LABELLERS
from atnn.reading import read
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, ModelConfig, PretrainConfig, RunConfig, TrainingConfig, evaluate, train
from dynamics.analytic import Morse

MODEL = ModelConfig(representation={"name": "eann", "cutoff": 4.0, "channels": 6}, hidden=(16,))


class Cheap:
    """EMT, which knows H, C, N, O and some metals."""

    calls = 0

    @property
    def settings(self):
        return {"program": "EMT", "version": "1"}

    def __call__(self, structure):
        type(self).calls += 1
        atoms = structure.to_ase()[0]
        atoms.calc = EMT()
        return {"energy": np.array(atoms.get_potential_energy()), "forces": atoms.get_forces()}


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setitem(LABELLERS, "emt", Cheap)
    monkeypatch.setattr(Cheap, "calls", 0)


def known(atoms, count, factor=1.3):
    """Rattled geometries with labels of a better method: EMT with a constant factor."""
    frames, rng = [], np.random.default_rng(0)
    for _ in range(count):
        frame = atoms.copy()
        frame.positions += rng.normal(scale=0.05, size=frame.positions.shape)
        frames.append(frame)
    structures = Structures.from_ase(frames)
    labels = [Cheap()(one) for one in structures.singles()]
    return Labelled(
        structures,
        {
            "energy": factor * torch.tensor([float(each["energy"]) for each in labels]),
            "forces": factor * torch.from_numpy(np.concatenate([each["forces"] for each in labels])),
        },
        {name: torch.ones(count, dtype=torch.bool) for name in ("energy", "forces")},
    )


def settings(folder, epochs=20, **changed):
    given = {"method": "emt", "structures": 60, "temperatures": (300.0, 600.0), "spacing": 4, "workers": 0}
    own = TrainingConfig(epochs=epochs, learning_rate=1e-2)
    return RunConfig(
        data=DataConfig(train="unused", validation=4),
        model=MODEL,
        training=TrainingConfig(epochs=10, learning_rate=1e-3, warmup=5, validate_every=5),
        pretrain=PretrainConfig(**{**given, "training": own, **changed}),
        output=str(folder),
    )


def test_the_cheap_surface_is_learned_and_makes_the_good_one_better(tmp_path):
    data = {"train": Frames(known(Octahedron("Cu", 2), 14))}
    config = settings(tmp_path / "run")
    model = pretrain(config, data)
    labelled = read(tmp_path / "run" / "pretraining" / "labelled.xyz")
    assert 50 <= len(labelled) <= 60
    hot = Frames(labelled[range(len(labelled) - 20, len(labelled))])
    assert evaluate(model, hot)["forces"].rmse < 0.3 * float(hot.labelled.labels["forces"].square().mean().sqrt())
    tuned = train(config, data, model)
    alone = train(config.model_copy(update={"pretrain": None, "output": str(tmp_path / "alone")}), data)
    assert tuned.errors["validation"]["forces"].rmse < 0.7 * alone.errors["validation"]["forces"].rmse


def test_geometries_that_are_held_out_are_not_labelled(tmp_path):
    data = known(molecule("H2O"), 14)
    pretrain(settings(tmp_path, epochs=1), {"train": Frames(data)})
    first = read(tmp_path / "pretraining" / "known.xyz").labelled.structures.positions.reshape(-1, 9)
    all_ = data.structures.positions.reshape(-1, 9)
    distances = (first[:, None] - all_[None]).norm(dim=2).amin(0)
    assert len(first) == 10 and int((distances < 1e-6).sum()) == 10


def test_a_call_after_an_interruption_goes_on(tmp_path, monkeypatch):
    data, config = {"train": Frames(known(molecule("H2O"), 14))}, settings(tmp_path / "a", epochs=2)
    Cheap.calls = 0
    whole = pretrain(settings(tmp_path / "b", epochs=2), data)
    expected, Cheap.calls = Cheap.calls, 0
    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "select", lambda *_: 1 / 0)  # stopped before the first labels were of use
        with pytest.raises(ZeroDivisionError):
            pretrain(config, data)
    write, left = pretraining.write_extxyz, iter(range(1))
    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "write_extxyz", lambda *given: (next(left), write(*given)))
        with pytest.raises(StopIteration):  # stopped when all is labelled and the second file is to be written
            pretrain(config, data)
    model = pretrain(config, data)
    assert Cheap.calls == expected
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in model.state_dict().items())
    again = pretrain(config, data)
    assert Cheap.calls == expected and torch.equal(next(again.parameters()), next(model.parameters()))


@pytest.mark.filterwarnings("ignore:.*largest force above")  # a draft of one epoch goes astray
def test_fixed_atoms_of_a_slab_stay(tmp_path):
    slab = fcc111("Cu", (2, 2, 2), vacuum=5.0)
    add_adsorbate(slab, "Cu", height=1.9, position="fcc")
    slab.pbc = True
    slab.set_constraint(FixAtoms([0, 1, 2, 3]))
    data = known(slab, 14)
    assert data.structures.fixed is not None
    pretrain(settings(tmp_path, epochs=1, structures=30), {"train": Frames(data)})
    positions = Trajectory(tmp_path / "pretraining" / "dynamics-300K").read("positions")
    moved = (positions - positions[0]).norm(dim=2).amax(0).reshape(-1, 9)
    assert bool((moved[:, :4] == 0).all()) and bool((moved[:, 4:] > 0.05).all())


def test_what_the_cheap_method_does_not_give_is_learned_later(tmp_path, caplog):
    data = known(molecule("H2O"), 14)
    dipoles = {"dipole": torch.randn(14, 3, generator=torch.Generator().manual_seed(0)).double()}
    masks = data.masks | {"dipole": torch.ones(14, dtype=torch.bool)}
    config = settings(tmp_path, epochs=1).model_copy(
        update={
            "model": MODEL.model_copy(update={"outputs": ("energy", "dipole")}),
            "training": TrainingConfig(epochs=1, weights={"energy": 0.1, "forces": 1.0, "dipole": 1.0}),
            "pretrain": settings(tmp_path).pretrain.model_copy(update={"training": TrainingConfig(epochs=1)}),
        }
    )
    own = PretrainConfig(method="emt", structures=20, temperatures=(300.0,), spacing=5, workers=0)
    config = config.model_copy(update={"pretrain": own})
    with caplog.at_level(logging.INFO, logger="atnn"):
        model = pretrain(config, {"train": Frames(Labelled(data.structures, data.labels | dipoles, masks))})
    assert "emt does not give dipole, which is learned later" in caplog.text
    assert "dipole" in model.outputs


def test_dipoles_of_ions_are_taken_as_the_method_gives_them(tmp_path, monkeypatch):
    def with_dipole(self, structure):
        return {**labels(self, structure), "dipole": structure.positions.sum(0).double().numpy()}

    labels = Cheap.__call__
    data = known(molecule("H2O"), 14)
    ions = data.structures.replace(charge=torch.ones(14, dtype=torch.float64))
    monkeypatch.setattr(Cheap, "__call__", with_dipole)
    config = settings(tmp_path, epochs=1)
    config = config.model_copy(update={"model": MODEL.model_copy(update={"conditions": ("charge",)})})
    pretrain(config, {"train": Frames(Labelled(ions, data.labels, data.masks))})
    found = read(tmp_path / "pretraining" / "labelled.xyz").labelled
    assert bool((found.structures.charge == 1).all())
    sums = found.structures.positions.reshape(-1, 3, 3).sum(1)
    torch.testing.assert_close(found.labels["dipole"], sums, atol=1e-7, rtol=0)


def test_a_folder_that_was_moved_goes_on(tmp_path):
    data = {"train": Frames(known(molecule("H2O"), 14))}
    first = pretrain(settings(tmp_path / "here", epochs=1), data)
    (tmp_path / "here").rename(tmp_path / "there")
    calls = Cheap.calls
    again = pretrain(settings(tmp_path / "there", epochs=1), data)
    assert Cheap.calls == calls and torch.equal(next(again.parameters()), next(first.parameters()))


def test_a_method_without_forces_is_refused(tmp_path, monkeypatch):
    data = {"train": Frames(known(molecule("H2O"), 14))}
    monkeypatch.setattr(Cheap, "__call__", lambda self, structure: {"energy": np.array(0.0)})
    with pytest.raises(LabellingError, match=r"pretrain\.method: emt: the method gives no forces"):
        pretrain(settings(tmp_path), data)


def test_a_method_that_fails_says_why(tmp_path, monkeypatch):
    def fail(self, structure):
        raise LabellingError("not today")

    data = {"train": Frames(known(molecule("H2O"), 14))}
    monkeypatch.setattr(Cheap, "__call__", fail)
    with pytest.raises(LabellingError, match=r"labels\.db: 0 of 10 structures have labels of use \(not today\)"):
        pretrain(settings(tmp_path), data)


def test_geometries_with_huge_forces_are_counted_and_left_out(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pretraining, "LARGEST_FORCE", 9.0)
    data = {"train": Frames(known(molecule("H2O"), 14))}
    with caplog.at_level(logging.INFO, logger="atnn"):
        pretrain(settings(tmp_path, epochs=1), data)
    kept = read(tmp_path / "pretraining" / "labelled.xyz").labelled
    assert 0 < len(kept.structures) < 60 and float(kept.labels["forces"].abs().max()) < 9.0
    assert "with forces above 9 eV/Angstrom left out" in caplog.text


def test_dynamics_that_never_stays_sensible_is_an_error(tmp_path):
    start = Structures.from_ase(molecule("H2O"))
    with pytest.raises(DynamicsError, match="keeps no trajectory sensible"):
        pretraining.sample_dynamics(Morse(depth=1e5), start, settings(tmp_path).pretrain, 0, tmp_path)


def test_elements_without_data_and_a_missing_block_are_refused(tmp_path):
    with pytest.raises(SpecificationError, match="has no `pretrain`"):
        pretrain(settings(tmp_path).model_copy(update={"pretrain": None}))
    wider = settings(tmp_path).model_copy(update={"model": ModelConfig(elements=(16,), networks="shared")})
    with pytest.raises(SpecificationError, match=r"model\.elements: pretraining knows the elements of the data only"):
        pretrain(wider)
