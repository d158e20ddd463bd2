"""Embeddings of charge and spin beside the invariants of a representation."""

import pytest
import torch

from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.structures import Structures
from contracts.models import evaluate, features, small_model
from systems import ethanol, methane


def ion(atoms, **info):
    atoms.info |= info
    return atoms


@pytest.mark.parametrize("name", ["acsf", "nemp"])
def test_a_neutral_singlet_has_the_features_of_the_representation_and_zeros(name):
    bare = features(small_model(name), ethanol()).nodes
    model = small_model(name, conditions=("charge", "spin"))
    width = bare[0].shape[2]
    for atoms, charged in (
        (ethanol(), False),
        (ion(ethanol(), charge=0, spin=0), False),
        (ion(ethanol(), spin=2), True),
    ):
        found = features(model, atoms).nodes
        assert torch.equal(found[0][..., :width], bare[0]) and all(map(torch.equal, found[1:], bare[1:]))
        assert bool(found[0][..., width:].any()) == charged


def test_calibration_gives_the_embeddings_of_ions_the_size_of_the_largest_invariants():
    frames = [ethanol(), ion(ethanol(), charge=-1), ion(methane(), charge=2), methane()]
    structures = Structures.from_ase(frames)
    pairs = neighbor_pairs(structures, 4.0)
    model = small_model("nemp", conditions=("charge", "spin"))
    model.start(Statistics(), structures, pairs)
    bare = small_model("nemp").representation.channels[0]
    found = torch.cat([features(model, frame).nodes[0][:, 0] for frame in frames])
    charged = found[9:23, bare : bare + 16]  # 9 atoms of the anion and 5 of the cation
    largest = found[:, :bare].std(0, correction=0).max().item()
    assert charged.square().mean().sqrt().item() == pytest.approx(largest, rel=1e-6)
    assert model.representation.unit[1] == 1.0  # nothing is known of spins
    assert torch.isfinite(evaluate(model, ion(ethanol(), spin=2))["forces"]).all()
