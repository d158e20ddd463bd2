"""Operations that dominate the run time: each has a plain PyTorch reference and a fused CPU kernel."""

from atnn.kernels.blocks import from_blocks, to_blocks
from atnn.kernels.couplings import couple
from atnn.kernels.envelope import cosine_squared
from atnn.kernels.gaussians import gaussian_sums
from atnn.kernels.loading import keep_memory, load_kernels
from atnn.kernels.messages import messages, overlaps, pair_products, weighted_neighbor_sum
from atnn.kernels.mirror import mirror_pairs
from atnn.kernels.moments import contract_angular, contract_radial, moments
from atnn.kernels.pairs import gather_centers, gather_neighbors, gather_reverse, sum_centers, sum_neighbors
from atnn.kernels.triples import TripleFunctions, triples

__all__ = [
    "TripleFunctions",
    "contract_angular",
    "contract_radial",
    "cosine_squared",
    "couple",
    "from_blocks",
    "gather_centers",
    "gather_neighbors",
    "gather_reverse",
    "gaussian_sums",
    "keep_memory",
    "load_kernels",
    "messages",
    "mirror_pairs",
    "moments",
    "overlaps",
    "pair_products",
    "sum_centers",
    "sum_neighbors",
    "to_blocks",
    "triples",
    "weighted_neighbor_sum",
]
