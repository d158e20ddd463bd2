"""Moments of the labels of pairs of atoms, and the start of a Hamiltonian from them."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.model import Model, ModelSpecification
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.quantities import QUANTITIES
from atnn.structures import Labelled, Structures
from atnn.training import evaluate
from atnn.training.distributed import Processes
from atnn.training.pairs import measure_pairs, spread_pairs
from atnn.training.step import Step, make_batch
from atnn.training.validation import validation_errors
from orbital_bases import SVP, TIGHT

MASK = torch.tensor([True, True, False, True])


@pytest.fixture
def frames():
    """Waters with constants on the diagonal and noise, of which one has no label."""
    TIGHT.declare()
    structures = Structures.from_ase([molecule("H2O")] * 4)
    rng = np.random.default_rng(0)
    matrix = np.diag([-30.0, -20.0, -20.0, -20.0, -10.0, -10.0])
    noise = [0.1 * rng.normal(size=(6, 6)) for _ in range(4)]
    labels = np.concatenate([TIGHT.split(matrix + n + n.T, [8, 1, 1]) for n in noise])
    return Frames(Labelled(structures, {"hamiltonian": torch.from_numpy(labels)}, {"hamiltonian": MASK}))


def test_moments_are_those_of_the_labelled_pairs_of_each_two_elements(frames):
    found = measure_pairs(frames, ["hamiltonian"])["hamiltonian"]
    assert found.keys() == {(8, 0), (1, 0), (8, 1), (1, 8), (1, 1)}
    values = frames.labelled.labels["hamiltonian"].unflatten(0, (4, 3, 3))[MASK]
    hydrogens = torch.cat([values[:, 1, 1], values[:, 2, 2]])
    torch.testing.assert_close(found[1, 0].mean, hydrogens.mean(0))
    torch.testing.assert_close(found[8, 1].square, values[:, 0, 1:].square().mean((0, 1)))
    assert found[8, 1].number == 6 and found[8, 0].number == 3


def test_constants_of_the_atoms_do_not_count_as_spread(frames):
    found = spread_pairs(QUANTITIES["hamiltonian"], measure_pairs(frames, ["hamiltonian"])["hamiltonian"])
    assert found < 0.2 < frames.labelled.labels["hamiltonian"].std()
    parts, numbers = frames.labelled.labels["hamiltonian"].split(9), torch.tensor([8, 1, 1])
    matrices = torch.stack([TIGHT.join(part, numbers) for part in parts])[MASK]  # 4 orbitals of O, 1 of each H
    matrices[:, :4, :4] -= matrices[:, :4, :4].mean(0)
    matrices.diagonal(dim1=1, dim2=2)[:, 4:] -= matrices.diagonal(dim1=1, dim2=2)[:, 4:].mean()
    assert found == pytest.approx(float(matrices.square().mean().sqrt()))


@pytest.fixture
def padded():
    """A water and a hydrogen molecule with 24 and 10 orbitals, in blocks [14, 14], and a model of others."""
    SVP.declare()
    structures = Structures.from_ase([molecule("H2O"), molecule("H2"), molecule("H2O")])
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(size, size)) for size in (24, 10, 24)]
    numbers = ([8, 1, 1], [1, 1], [8, 1, 1])
    blocks = np.concatenate([SVP.split(n + n.T, z) for n, z in zip(noise, numbers, strict=True)])
    mask = torch.tensor([True, True, False])
    labelled = Labelled(structures, {"hamiltonian": torch.from_numpy(blocks)}, {"hamiltonian": mask})
    specification = ModelSpecification(elements=(1, 8), representation="eann", outputs=("hamiltonian",), basis=SVP)
    return Frames(labelled), Model(specification).double()


def test_padding_counts_in_no_error_and_in_no_loss(padded):
    frames, model = padded
    structures = frames.labelled.structures
    with torch.no_grad():
        found = model(structures, neighbor_pairs(structures, model.cutoff), ("hamiltonian",))["hamiltonian"]
    labels = frames.labelled.labels["hamiltonian"]
    parts = ((slice(0, 9), [8, 1, 1]), (slice(9, 13), [1, 1]))
    wrong = torch.cat([(SVP.join((found - labels)[rows], torch.tensor(z))).ravel() for rows, z in parts])
    assert len(wrong) == 24**2 + 10**2
    expected = float(wrong.square().mean().sqrt())

    errors = evaluate(model, frames)["hamiltonian"]
    assert errors.predicted.shape == (24**2 + 10**2,) and errors.rmse == pytest.approx(expected)
    assert errors.mae == pytest.approx(float(wrong.abs().mean()))
    assert np.bincount(errors.frames).tolist() == [24**2, 10**2]

    term, error = validation_errors(model, frames, {"hamiltonian": 2.0}, "mse", 2, Processes())
    assert error == pytest.approx([expected]) and float(term) == pytest.approx((expected / 2) ** 2)
    batch = make_batch(model, frames.labelled, ["hamiltonian"])
    assert batch.counts.tolist() == [24**2 + 10**2]
    terms = Step(model, ["hamiltonian"], [2.0], "mse", compiled=False)(batch, torch.ones(1).double()).terms
    assert float(terms / batch.counts) == pytest.approx((expected / 2) ** 2)


def test_a_hamiltonian_starts_from_the_constants_and_as_large_as_the_labels(frames):
    specification = ModelSpecification(elements=(1, 8), representation="eann", outputs=("hamiltonian",), basis=TIGHT)
    model, structures = Model(specification).double(), frames.labelled.structures
    neighbors = neighbor_pairs(structures, model.cutoff)
    model.start(Statistics(pairs=measure_pairs(frames, ["hamiltonian"])), structures, neighbors)
    with torch.no_grad():
        blocks = model(structures, neighbors, ("hamiltonian",))["hamiltonian"].unflatten(0, (4, 3, 3))
    expected = torch.tensor([-30.0, -20.0, -20.0, -20.0, -10.0, -10.0]).double()
    found = torch.cat([blocks[0, 0, 0].diagonal()[:4], blocks[0, 1, 1, :1, 0], blocks[0, 2, 2, :1, 0]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1.0)
    assert 0.001 < blocks[:, 0, 1].abs().max() < 1.0
