"""Moments of the labels of pairs of atoms, and the start of a Hamiltonian from them."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Frames
from atnn.model import Model, ModelSpecification
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.structures import Labelled, Structures
from atnn.training.pairs import measure_pairs, spread_pairs
from orbital_bases import TIGHT

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
    moments = measure_pairs(frames, ["hamiltonian"])["hamiltonian"]
    assert spread_pairs(moments) < 0.15 < frames.labelled.labels["hamiltonian"].std()


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
