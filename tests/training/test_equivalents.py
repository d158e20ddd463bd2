"""Labels that are defined up to a sign or a branch, or that only some atoms have."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.errors import DataError
from atnn.model import Model, ModelSpecification
from atnn.reading import read
from atnn.structures import Labelled, Structures
from atnn.training import evaluate, train
from atnn.training.equivalents import subtract_quanta
from atnn.training.statistics import measure_spreads
from atnn.training.step import Step, make_batch
from systems import crystal, ethanol, methane, slab, water_box
from training.runs import TINY, config

SIGN_FREE = "transition_dipole_1"


def model_of(*outputs):
    specification = ModelSpecification(elements=(1, 6, 8), representation=TINY, outputs=outputs, hidden=(8,))
    return Model(specification, seed=1).double()


def bent_waters(count=24, seed=0):
    rng, frames = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.rattle(0.08, rng=rng)
        frames.append(atoms)
    return frames


def labelled(frames, **labels):
    structures = Structures.from_ase(frames)
    mask = torch.ones(len(structures), dtype=torch.bool)
    return Labelled(structures, labels, dict.fromkeys(labels, mask))


def run_step(model, data, name, modulo=False):
    batch = make_batch(model, data, (name,))
    return Step(model, (name,), [1.0], "mse", compiled=False, modulo=modulo)(batch, 1 / batch.counts)


def test_the_sign_of_a_transition_dipole_changes_neither_loss_nor_gradient():
    model, generator = model_of(SIGN_FREE), torch.Generator().manual_seed(0)
    dipoles = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    data = labelled([ethanol(), methane(), *bent_waters(2)], **{SIGN_FREE: dipoles})
    signs = torch.tensor([1, -1, -1, 1])[:, None]
    first, second = (run_step(model, labelled(data.structures.to_ase(), **{SIGN_FREE: s * dipoles}), SIGN_FREE)
                     for s in (1, signs))  # fmt: skip
    torch.testing.assert_close(first.terms, second.terms, rtol=0, atol=0)
    for a, b in zip(first.gradients, second.gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_gradient_of_the_loss_without_signs_is_that_of_finite_differences():
    model = model_of(SIGN_FREE)
    weight = model.parts[SIGN_FREE].tensors.network.layers[-1].weight
    weight.data.mul_(100.0)  # eigenvalues far apart
    generator = torch.Generator().manual_seed(0)
    labels, direction = (torch.randn(*n, dtype=torch.float64, generator=generator) for n in ((3, 3), weight.shape))
    data = labelled(bent_waters(3), **{SIGN_FREE: labels})
    place = [p is weight for p in model.parameters()].index(True)
    found = (run_step(model, data, SIGN_FREE).gradients[place] * direction).sum()
    terms = []
    for step in (1e-5, -1e-5):
        weight.data.add_(direction, alpha=step)
        terms.append(float(run_step(model, data, SIGN_FREE).terms[0]) / 9)
        weight.data.sub_(direction, alpha=step)
    assert float(found) == pytest.approx((terms[0] - terms[1]) / 2e-5, rel=1e-3, abs=1e-7)


def test_transition_dipoles_of_random_sign_are_learned(tmp_path):
    rng = np.random.default_rng(1)
    frames = bent_waters(16)
    bonds = [atoms.positions[1:] - atoms.positions[0] for atoms in frames]
    normal = np.array([np.cross(*b) for b in bonds])  # normal to the plane
    signs = rng.choice([-1.0, 1.0], size=(16, 1))
    data = labelled(frames, **{SIGN_FREE: torch.as_tensor(signs * normal)})
    run = config(tmp_path, (SIGN_FREE,), weights={SIGN_FREE: 1}, epochs=50, batch_size=16, learning_rate=0.02)
    model = train(run, {"train": Frames(data), "validation": Frames(data)}).model
    errors = evaluate(model, Frames(data))
    assert errors[SIGN_FREE].rmse < 0.2 * np.sqrt((normal**2).mean())
    np.testing.assert_allclose(errors[SIGN_FREE].reference, signs * normal)


def test_dipoles_of_cells_are_compared_modulo_the_lattice():
    structures = Structures.from_ase([crystal(), slab(), ethanol()])
    dipoles = torch.tensor([[0.3, -0.2, 0.4], [0.5, 0.1, 60.0], [9.0, 8.0, 7.0]], dtype=torch.float64)
    numbers = torch.tensor([[1.0, -2.0, 3.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    moved = dipoles + torch.einsum("sn,snx->sx", numbers, structures.cell)
    torch.testing.assert_close(subtract_quanta(moved, structures), subtract_quanta(dipoles, structures))
    torch.testing.assert_close(subtract_quanta(dipoles, structures), dipoles, rtol=0, atol=1e-12)

    model, cells = model_of("dipole"), [water_box(2), water_box(2, seed=1), ethanol()]
    plain = labelled(cells, dipole=dipoles)
    lattice = plain.structures.cell.diagonal(dim1=1, dim2=2)
    other = labelled(cells, dipole=dipoles + torch.tensor([1.0, -3.0, 2.0]) * lattice)
    a, b = (run_step(model, data, "dipole", modulo=True) for data in (plain, other))
    torch.testing.assert_close(a.terms, b.terms, rtol=1e-9, atol=1e-9)
    for x, y in zip(a.gradients, b.gradients, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)
    assert run_step(model, other, "dipole").terms[0] > 2 * b.terms[0]  # never without being asked
    near, far = (evaluate(model, Frames(other), dipole_modulo=m)["dipole"].rmse for m in (True, False))
    assert near == pytest.approx(float(torch.sqrt(b.terms[0] / 9)), rel=1e-9) and far > 1.4 * near
    spreads = [measure_spreads(Frames(d), ["dipole"], {}, {}, modulo=True)["dipole"] for d in (plain, other)]
    assert spreads[0] == pytest.approx(spreads[1])


def test_atoms_without_a_label_are_left_out(tmp_path):
    """Dipoles of whole molecules stand at the oxygen; the hydrogens have NaN."""
    model, frames = model_of("atomic_dipoles"), bent_waters(3)
    given = torch.randn(9, 3, dtype=torch.float64)
    given[Structures.from_ase(frames).numbers == 1] = torch.nan
    data = labelled(frames, atomic_dipoles=given)
    batch = make_batch(model, data, ("atomic_dipoles",))
    assert batch.counts.tolist() == [9]
    result = run_step(model, data, "atomic_dipoles")
    assert all(torch.isfinite(g).all() for g in result.gradients)
    errors = evaluate(model, Frames(data))["atomic_dipoles"]
    assert errors.numbers.tolist() == [8, 8, 8] and errors.predicted.shape == (3, 3)
    assert float(result.terms[0]) == pytest.approx(((errors.predicted - errors.reference) ** 2).sum())
    assert Frames(data).summary.labels["atomic_dipoles"].rms == pytest.approx(float(given[::3].square().mean().sqrt()))


def test_missing_labels_of_atoms_are_read_only_where_the_table_allows_them(tmp_path):
    text = "3\nProperties=species:S:1:pos:R:3:{}:R:3\nO 0 0 0 0.1 0.2 0.3\nH 0 0 1 {}\nH 0 1 0 nan nan nan\n"
    (tmp_path / "a.xyz").write_text(text.format("atomic_dipoles", "nan nan nan"))
    found = read(tmp_path / "a.xyz").labelled
    assert torch.isnan(found.labels["atomic_dipoles"]).any(1).tolist() == [False, True, True]
    for name, row in (("atomic_dipoles", "0.1 nan 0.2"), ("forces", "nan nan nan")):
        (tmp_path / "b.xyz").write_text(text.format(name, row))
        with pytest.raises(DataError, match="NaN"):
            read(tmp_path / "b.xyz")
