"""What everything that is a potential must satisfy, be it a model or a reference method."""

from __future__ import annotations

import pytest
import torch
from ase.build import molecule

from atnn.errors import AtnnError
from atnn.labelling import LabellerPotential, TbliteLabeller
from atnn.model import Composed, ModelPotential, Potential
from atnn.quantities import QUANTITIES
from atnn.structures import Structures
from contracts.models import small_model
from systems import ethanol

NAMES = [
    "model",
    pytest.param("compiled model", marks=pytest.mark.compiled),
    "composed",
    "labeller",
    "labeller with a store",
]
TENSORS = ("polarizability", "shieldings")
FEW = ("forces", "energy")  # few sets of outputs: each is traced anew
pytestmark = pytest.mark.usefixtures("traced_only")


@pytest.fixture(scope="module", params=NAMES)
def potential(request, tmp_path_factory):
    if request.param == "composed":
        return Composed(*(ModelPotential(small_model("eann", (1, 6, 8), outputs=o)) for o in (("energy",), TENSORS)))
    if "model" in request.param:
        return ModelPotential(small_model("eann", elements=(1, 6, 8)), compile="compiled" in request.param)
    pytest.importorskip("tblite")
    store = tmp_path_factory.mktemp("store") / "labels.db" if "store" in request.param else None
    return LabellerPotential(TbliteLabeller(), store, workers=0)


def structures() -> Structures:
    frames = [molecule("H2O"), ethanol(), molecule("CH4")]
    for seed, frame in enumerate(frames):
        frame.rattle(0.05, seed=seed)
    return Structures.from_ase(frames)


def molecular_outputs(potential) -> tuple[str, ...]:
    """What it gives for molecules, in the order of the table."""
    return tuple(name for name in QUANTITIES if name in potential.outputs and name != "stress")


def test_it_is_a_potential(potential):
    assert isinstance(potential, Potential)
    assert {"energy", "forces"} <= potential.outputs


def test_it_gives_what_is_asked_for_and_nothing_else(potential):
    for asked in (FEW, molecular_outputs(potential)):
        assert set(potential(structures(), asked)) == set(asked)


def test_values_have_the_shapes_of_the_table_and_no_graph(potential):
    s = structures()
    for name, value in potential(s, molecular_outputs(potential)).items():
        rows = s.totals[QUANTITIES[name].axis]
        assert value.shape == (rows, *QUANTITIES[name].shape), name
        assert not value.requires_grad and torch.isfinite(value).all(), name


def test_what_it_does_not_give_is_refused(potential):
    with pytest.raises(AtnnError, match="no_such_quantity"):
        potential(structures(), ("energy", "no_such_quantity"))


def test_forces_are_minus_the_gradient_of_the_energy(potential):
    s, step = structures(), 1e-3
    forces = potential(s, FEW)["forces"]
    for atom, axis in ((0, 2), (4, 0), (13, 1)):
        energies = []
        for sign in (1, -1):
            positions = s.positions.clone()
            positions[atom, axis] += sign * step
            energies.append(potential(s.replace(positions=positions), FEW)["energy"].double().sum())
        slope = float(energies[0] - energies[1]) / (2 * step)
        assert float(forces[atom, axis]) == pytest.approx(-slope, abs=2e-4)


def test_a_structure_in_a_batch_gives_what_it_gives_alone(potential):
    s, outputs = structures(), molecular_outputs(potential)
    batch, alone = potential(s, outputs), [potential(part, outputs) for part in s.singles()]
    for name in outputs:
        torch.testing.assert_close(batch[name], torch.cat([found[name] for found in alone]), rtol=1e-9, atol=1e-9)


def test_forgetting_changes_nothing_but_the_last_bits(potential):
    s, outputs = structures(), molecular_outputs(potential)
    before = potential(s, outputs)
    potential(s.replace(positions=s.positions + 0.3 * torch.rand_like(s.positions)), outputs)
    potential.forget()
    after = potential(s, outputs)
    for name in outputs:
        torch.testing.assert_close(after[name], before[name], rtol=1e-10, atol=1e-10)


def test_it_remembers_nothing_of_other_structures(potential):
    s, outputs = structures(), molecular_outputs(potential)
    before = potential(s, outputs)
    potential(s.select([2, 0]), outputs)
    potential(s.replace(positions=s.positions * 1.01), outputs)
    after = potential(s, outputs)
    for name in outputs:
        torch.testing.assert_close(after[name], before[name], rtol=1e-10, atol=1e-10)


def test_it_changes_neither_the_structures_nor_its_earlier_results(potential):
    s, outputs = structures(), molecular_outputs(potential)
    positions, numbers = s.positions.clone(), s.numbers.clone()
    first = potential(s, outputs)
    kept = {name: value.clone() for name, value in first.items()}
    potential(s.replace(positions=s.positions + 0.01), outputs)
    assert torch.equal(s.positions, positions) and torch.equal(s.numbers, numbers)
    assert not s.positions.requires_grad
    assert all(torch.equal(first[name], value) for name, value in kept.items())


@pytest.mark.parametrize("dtype", [None, torch.float32])
def test_the_model_behind_a_potential_keeps_its_weights_and_its_type(dtype):
    model = small_model("eann", elements=(1, 6, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    potential = ModelPotential(model, dtype=dtype)
    potential(structures(), molecular_outputs(potential))
    assert model.dtype == torch.float64
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
