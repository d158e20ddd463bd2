"""Hot operations: a plain PyTorch reference each, and a fused CPU kernel behind the same function."""

from atnn.kernels.blocks import from_blocks, to_blocks
from atnn.kernels.build import native
from atnn.kernels.envelope import cosine_squared
from atnn.kernels.mirror import mirror_pairs
from atnn.kernels.moments import contract_angular, contract_radial, moments
from atnn.kernels.pairs import gather_centers, gather_neighbors, sum_centers, sum_neighbors

__all__ = [
    "contract_angular",
    "contract_radial",
    "cosine_squared",
    "from_blocks",
    "gather_centers",
    "gather_neighbors",
    "mirror_pairs",
    "moments",
    "native",
    "sum_centers",
    "sum_neighbors",
    "to_blocks",
]
