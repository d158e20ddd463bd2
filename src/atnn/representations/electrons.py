"""How a structure's total charge and unpaired electrons reach its atoms.

O. T. Unke et al., Nat. Commun. 2021, 12, 7273, doi:10.1038/s41467-021-27504-0.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from atnn.functions.residual import ResidualNetwork
from atnn.structures import Structures

CONDITIONS = ("charge", "spin")  # numbers of a structure; of them the charge has a sign
TINY = 1e-8  # added to a sum of positive weights


class ElectronicEmbedding(nn.Module):
    """Shares of one number of a structure, such as its charge, by attention to its atoms.

        a_i = softplus(q_i . k / sqrt(F)) / sum_j softplus(q_j . k / sqrt(F)),   q_i = W x_i + b,   j of the structure
        e_i = resmlp(a_i v psi),   resmlp without biases

    The shares of a structure sum to its number psi, and e is zero for psi = 0. Positive and negative numbers have
    their own k and v. For ``|psi| < 1`` k is multiplied by it, so that fractional charges, too, connect smoothly.

    Args:
        channels: Features F.
        signed: Whether psi may be negative.
    """

    def __init__(self, channels: int, signed: bool):
        super().__init__()
        self.signs = 2 if signed else 1
        self.weight = nn.Parameter(torch.randn(channels, channels) / math.sqrt(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.keys = nn.Parameter(torch.randn(self.signs * channels))
        self.values = nn.Parameter(torch.randn(self.signs * channels))
        self.network = ResidualNetwork(channels, bias=False)

    def forward(
        self, x: Float[Tensor, "atoms channels"], psi: Float[Tensor, " structures"], batch: Int[Tensor, " atoms"]
    ) -> Float[Tensor, "atoms channels"]:
        """What is added to the features of every atom."""
        amounts = torch.relu(torch.stack([psi, -psi][: self.signs], dim=1))
        keys = (amounts.clamp(max=1.0) @ self.keys.reshape(self.signs, -1)).index_select(0, batch)
        values = (amounts @ self.values.reshape(self.signs, -1)).index_select(0, batch)
        queries = torch.addmm(self.bias, x, self.weight)
        weights = softplus((queries * keys).sum(1) / math.sqrt(x.shape[1]))
        total = torch.zeros_like(psi).index_add(0, batch, weights) + TINY
        shares = weights / total.index_select(0, batch)
        return self.network((shares[:, None] * values)[None])[0]


class Electrons(nn.Module):
    """Embeddings of the total charge, of the number of unpaired electrons, or of both.

    Structures for which a number is not stated count as neutral, and as singlets.

    Args:
        conditions: Names of the numbers, out of ``charge`` and ``spin``.
        channels: Features of each.
    """

    def __init__(self, conditions: Collection[str], channels: int):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {name: ElectronicEmbedding(channels, signed=name == "charge") for name in CONDITIONS if name in conditions}
        )

    def forward(
        self, x: Float[Tensor, "atoms channels"], structures: Structures
    ) -> Float[Tensor, "conditions atoms channels"]:
        """One embedding of every atom per condition, zero for neutral singlets."""
        results = []
        for name, embedding in self.embeddings.items():
            amount = getattr(structures, name)
            stated = amount is not None
            results.append(embedding(x, amount.to(x.dtype), structures.batch) if stated else torch.zeros_like(x))
        return torch.stack(results)
