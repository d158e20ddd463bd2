"""Scenes for tests that ask a part of a model directly."""

import torch

from atnn.model import group_elements
from atnn.neighbors import edges, molecular_pairs, neighbor_pairs
from atnn.parts import Scene


def make_scene(structures, pairs=None, cutoff=5.0, numbers=None):
    """What a part sees of structures, with all pairs of molecules and without features."""
    pairs = edges(structures, neighbor_pairs(structures, cutoff)) if pairs is None else pairs
    numbers = torch.as_tensor(sorted(set(structures.numbers.tolist()))) if numbers is None else torch.as_tensor(numbers)
    elements = group_elements(torch.bucketize(structures.numbers, numbers), len(numbers), structures.positions.dtype)
    molecular = molecular_pairs(structures.batch, ~structures.pbc.any(1))
    return Scene(
        structures,
        pairs,
        pairs,
        molecular,
        elements,
        torch.zeros(len(structures)).double(),
        structures.positions.new_zeros((len(structures), 3)),
        structures.index_rows({"atom_pair"}, neighbor_pairs(structures, cutoff)),
    )


def energies(part, scene, values=()):
    """Energies [structures] of a physics term."""
    given = part(scene, dict(values))
    return given["energy"] if "energy" in given else scene.sum_structures(given["atomic_energies"])
