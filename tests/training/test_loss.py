"""The loss: averages over what is labelled, right gradients, no rounding of large energies."""

from types import MappingProxyType

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.data import Frames, concatenate, select
from atnn.model import Model, ModelSpecification
from atnn.structures import Labelled, Structures
from atnn.training.config import TrainingConfig
from atnn.training.schedule import LearningRate, loss_weights
from atnn.training.statistics import average_labels, measure_spreads
from atnn.training.step import Step, make_batch
from training.runs import TINY, config, crystals_and_molecules, labelled

NAMES = ("energy", "forces", "dipole")


def small(terms=(), source="network", energies=MappingProxyType({1: -3.0, 6: -5.0, 8: -7.0})):
    specification = ModelSpecification(
        elements=(1, 6, 8),
        representation=TINY,
        outputs=("energy", "dipole"),
        charges={"name": source},
        terms=terms,
        hidden=(8,),
    )
    return Model(specification, energies, seed=1).double()


def metallic(representation=TINY):
    specification = ModelSpecification(elements=(1, 8, 29), representation=representation, hidden=(8,))
    return Model(specification, {1: -3.0, 8: -7.0, 29: -2.0}, seed=1).double()


def weighted(step, batch, weights):
    factors = torch.tensor(weights, dtype=torch.float64) / batch.counts.clamp(min=1)
    return step(batch, factors), factors


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_gradients_of_the_loss_equal_finite_differences(kind):
    model, data = small(), labelled(4, dipole=True)
    step = Step(model, NAMES, [0.3, 0.7, 0.2], kind, compiled=False)
    check_gradients(step, make_batch(model, data, NAMES))


def test_gradients_of_a_loss_with_stress_and_virial_equal_finite_differences():
    model, data = metallic(), crystals_and_molecules(4)
    volumes = data.structures.volumes.reshape(-1, 1, 1)
    data = data._replace(
        labels=data.labels | {"virial": -volumes * data.labels["stress"]},
        masks=data.masks | {"virial": data.masks["stress"]},
    )
    names = ("stress", "forces", "virial")
    step = Step(model, names, [0.1, 0.7, 1.0], "mse", compiled=False)
    check_gradients(step, make_batch(model, data, names))


@pytest.mark.parametrize(
    ("crystals", "source", "dipoles"),
    [(False, "network", True), (True, "network", True), (True, "equilibration", False)],
)
def test_gradients_through_charges_electrostatics_and_dispersion_equal_finite_differences(crystals, source, dipoles):
    data = crystals_and_molecules(4) if crystals else labelled(4)
    charges = torch.linspace(-0.5, 0.5, len(data.structures.numbers), dtype=torch.float64)
    labels = {name: data.labels[name] for name in ("energy", "forces")} | {"charges": charges}
    data = data._replace(labels=labels, masks=dict.fromkeys(labels, data.masks["energy"]))
    specification = ModelSpecification(
        elements=(1, 6, 8, 29),
        representation=TINY,
        outputs=("energy", "dipole" if dipoles else "charges"),
        charges={"name": source},
        terms=(
            {"name": "electrostatics", "cutoff": 5.0, "dipoles": dipoles},
            {"name": "d4", "functional": "pbe", "cutoff": 6.0},
        ),
        hidden=(8,),
    )
    step = Step(Model(specification, seed=1).double(), tuple(labels), [0.3, 0.7, 0.1], "mse", compiled=False)
    check_gradients(step, make_batch(step.model, data, tuple(labels)))


def check_gradients(step, batch):
    result, factors = weighted(step, batch, [1.0, 2.0, 0.5])
    h = 1e-5
    for (name, parameter), gradient in zip(step.parameters.items(), result.gradients, strict=True):
        index = gradient.abs().argmax()
        values = []
        for sign in (1, -1):
            parameter.data.view(-1)[index] += sign * h
            values.append(float((step(batch, factors).terms * factors).sum()))
            parameter.data.view(-1)[index] -= sign * h
        expected = (values[0] - values[1]) / (2 * h)
        assert gradient.reshape(-1)[index].item() == pytest.approx(expected, rel=1e-4, abs=1e-7), name


def test_masked_labels_contribute_neither_value_nor_gradient():
    model, data = small(), labelled(5, dipole=True)
    step = Step(model, NAMES, [1.0, 1.0, 1.0], "mse", compiled=False)
    masks = {name: mask.clone() for name, mask in data.masks.items()}
    for name in NAMES:
        masks[name][[1, 3]] = False
    labels = {name: label.clone() for name, label in data.labels.items()}
    labels["energy"][1] = 1e6
    masked, _ = weighted(step, make_batch(model, data._replace(labels=labels, masks=masks), NAMES), [1, 1, 1])
    kept, _ = weighted(step, make_batch(model, select(data, [0, 2, 4]), NAMES), [1, 1, 1])
    torch.testing.assert_close(masked.terms, kept.terms)
    for a, b in zip(masked.gradients, kept.gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_quantity_that_no_structure_of_a_batch_carries_is_no_error():
    model, data = small(), labelled(3)
    batch = make_batch(model, data, NAMES)
    assert batch.counts.tolist() == [3.0, 63.0, 0.0]
    assert Step(model, NAMES, [1.0] * 3, "mse", compiled=False)(batch, torch.ones(3)).terms[2] == 0


def test_the_mean_loss_does_not_depend_on_how_data_are_batched():
    model, data = small(), labelled(6, dipole=True)
    step = Step(model, NAMES, [0.5, 1.0, 2.0], "mse", compiled=False)
    whole = make_batch(model, data, NAMES)
    parts = [make_batch(model, select(data, part), NAMES) for part in ([0], [1, 2, 3], [4, 5])]
    terms = sum(step(part, torch.ones(3)).terms for part in parts)
    torch.testing.assert_close(terms, step(whole, torch.ones(3)).terms)
    torch.testing.assert_close(sum(part.counts for part in parts), whole.counts)


def test_large_total_energies_keep_microvolts_in_float32():
    model, data = small().float(), labelled(2)
    shifted = {"energy": data.labels["energy"] - 5e4, "forces": data.labels["forces"]}
    base = {z: e - 5e4 / 9 for z, e in model.reference_energies.items()}
    ethanol = select(data, [1])
    moved = select(data._replace(labels=shifted), [1])
    before = Step(model, ("energy",), [1.0], "mse", False)(make_batch(model, ethanol, ("energy",)), torch.ones(1))
    model = small(energies=base).float()
    after = Step(model, ("energy",), [1.0], "mse", False)(make_batch(model, moved, ("energy",)), torch.ones(1))
    assert after.terms.item() == pytest.approx(before.terms.item(), rel=1e-6)


def test_spreads_are_those_of_the_labels():
    data = labelled(12, dipole=True)
    spreads = measure_spreads(Frames(data), NAMES, {1: 0.0, 6: 0.0, 8: 0.0}, {})
    per_atom = data.labels["energy"] / data.structures.counts
    assert spreads["energy"] == pytest.approx(per_atom.std(correction=0).item())
    assert spreads["forces"] == pytest.approx(data.labels["forces"].square().mean().sqrt().item())


def test_the_spread_of_charges_is_what_the_means_of_the_elements_leave():
    structures = Structures.from_ase([Atoms("NaCl", positions=np.eye(3)[:2] * 2.5)] * 3)
    charges = torch.tensor([0.8, -0.8, 0.7, -0.9, 0.9, -0.7], dtype=torch.float64)
    masks = {"charges": torch.tensor([True, True, False])}
    data = Frames(Labelled(structures, {"charges": charges}, masks))
    means = average_labels(data, ["charges", "forces", "energy"])
    assert set(means) == {"charges"} and means["charges"] == pytest.approx({11: 0.75, 17: -0.85})
    assert measure_spreads(data, ["charges"], {}, means)["charges"] == pytest.approx(0.05)


def test_weights_and_learning_rate_follow_their_schedules():
    settings = TrainingConfig(weights={"energy": (0.01, 1.0), "forces": 3.0}, learning_rate=1e-2, warmup=0)
    assert loss_weights(settings, 0.0) == pytest.approx([0.01, 3.0])
    assert loss_weights(settings, 0.5) == pytest.approx([0.1, 3.0])
    assert loss_weights(settings, 1.0) == pytest.approx([1.0, 3.0])
    rate = LearningRate(settings, 100)
    assert rate.at(0) == pytest.approx(1e-2) and rate.at(100) == pytest.approx(1e-5)
    assert rate.at(50) == pytest.approx((1e-2 + 1e-5) / 2)


def test_the_plateau_schedule_halves_after_its_patience_and_ends():
    settings = TrainingConfig(schedule="plateau", patience=2, warmup=0, learning_rate=1e-3, final_learning_rate=4e-4)
    rate = LearningRate(settings, 100)
    for metric in (1.0, 0.5, 0.6, 0.7):
        rate.record_validation(metric)
    assert rate.at(10) == pytest.approx(5e-4) and not rate.exhausted
    rate.record_validation(0.8)
    rate.record_validation(0.9)
    assert rate.exhausted


@pytest.mark.compiled
def test_the_compiled_step_equals_the_eager_one_for_every_batch():
    model = small(({"name": "zbl", "learnable": True}, {"name": "electrostatics"}), "equilibration")
    data = labelled(9, dipole=True)
    eager, compiled = (Step(model, NAMES, [0.3, 0.7, 0.2], "mse", compiled=c) for c in (False, True))
    for part in ([0, 1, 2, 3], [5], range(9)):
        batch = make_batch(model, select(data, list(part)), NAMES)
        a, b = (weighted(step, batch, [1.0, 2.0, 0.5])[0] for step in (eager, compiled))
        torch.testing.assert_close(a.terms, b.terms, rtol=1e-9, atol=1e-12)
        for x, y in zip(a.gradients, b.gradients, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-10)
    assert compiled.compiled and len(compiled._graphs) == 1


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_the_compiled_step_with_stress_equals_the_eager_one_beside_molecules():
    model = metallic({"name": "eann", "cutoff": 4.0, "channels": 3, "contraction": 6})
    data, names = crystals_and_molecules(6), ("energy", "stress")
    eager, compiled = (Step(model, names, [0.3, 0.1], "huber", compiled=c) for c in (False, True))
    for part in ([0, 1, 2, 3], [1], range(6)):
        batch = make_batch(model, select(data, list(part)), names)
        a, b = (weighted(step, batch, [1.0, 2.0])[0] for step in (eager, compiled))
        torch.testing.assert_close(a.terms, b.terms, rtol=1e-9, atol=1e-12)
        for x, y in zip(a.gradients, b.gradients, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-10)
    assert compiled.compiled and len(compiled._graphs) == 1


def test_a_step_that_cannot_be_compiled_falls_back_and_says_so(monkeypatch, tmp_path):
    from atnn.errors import AtnnWarning
    from atnn.model import tracing as module

    def broken(*_):
        raise RuntimeError("no compiler today")

    monkeypatch.setattr(module, "compile_graph", broken)
    model, data = small(), labelled(2, dipole=True)
    step = Step(model, NAMES, [1.0] * 3, "mse", compiled=True)
    with pytest.warns(AtnnWarning, match="training step .* runs eagerly, .*: RuntimeError: no compiler today"):
        result = step(make_batch(model, data, NAMES), torch.ones(3))
    assert torch.isfinite(result.terms).all() and not step.compiled
    assert config(tmp_path).training.compile is False


def test_concatenated_labels_of_different_kinds_are_masked():
    joined = concatenate([labelled(2, dipole=True), labelled(2)])
    assert joined.masks["dipole"].tolist() == [True, True, False, False]


def test_batches_can_be_made_while_the_weights_are_replaced_by_stand_ins():
    model = small()
    expected = make_batch(model, labelled(4, dipole=True), NAMES)
    stand_ins = {name: torch.empty_like(p, device="meta") for name, p in model.named_parameters()}
    found = []

    class Reading(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self):
            found.append(make_batch(model, labelled(4, dipole=True), NAMES))
            return torch.zeros(())

    torch.func.functional_call(Reading(), {f"model.{name}": value for name, value in stand_ins.items()}, ())
    torch.testing.assert_close(found[0].inputs.reference, expected.inputs.reference)
