"""Neighbor pairs of batches with any periodicity, and their vectors and lengths."""

from atnn.neighbors.molecules import molecular_pairs
from atnn.neighbors.pairs import edges, neighbor_pairs
from atnn.neighbors.verlet import VerletList

__all__ = ["VerletList", "edges", "molecular_pairs", "neighbor_pairs"]
