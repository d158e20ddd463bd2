"""Neighbor pairs of batches with any periodicity, and their vectors and lengths."""

from atnn.neighbors.home import Home, find_home
from atnn.neighbors.molecules import molecular_pairs
from atnn.neighbors.pairs import CLOSEST, edges, half_list, neighbor_pairs, refuse_contacts
from atnn.neighbors.verlet import VerletList
from atnn.neighbors.wide import WIDEST, measure_extent

__all__ = [
    "CLOSEST",
    "WIDEST",
    "Home",
    "VerletList",
    "edges",
    "find_home",
    "half_list",
    "measure_extent",
    "molecular_pairs",
    "neighbor_pairs",
    "refuse_contacts",
]
