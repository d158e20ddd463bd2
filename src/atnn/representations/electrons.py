"""Embeddings of a structure's total charge and unpaired electrons in the features of its atoms.

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

CONDITIONS = ("charge", "spin")  # numbers of a structure; only the charge may be negative
TINY = 1e-8  # added to a sum of positive weights to avoid division by zero


class ElectronicEmbedding(nn.Module):
    """Distributes one number of a structure, such as its charge, over its atoms by attention.

        a_i = softplus(q_i . k / sqrt(F)) / sum_j softplus(q_j . k / sqrt(F)),   q_i = W x_i + b,   j of the structure
        e_i = resmlp(a_i v psi),   resmlp without biases

    The shares ``a_i psi`` of a structure sum to its number psi, and e is zero for psi = 0. Positive and negative
    numbers have separate k and v. For ``|psi| < 1`` k is multiplied by ``|psi|``, so that fractional charges also
    connect smoothly.

    Args:
        channels: Number of features F.
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
        """Return the embedding e of every atom, which is added to its features."""
        amounts = torch.relu(torch.stack([psi, -psi][: self.signs], dim=1))
        keys = (amounts.clamp(max=1.0) @ self.keys.reshape(self.signs, -1)).index_select(0, batch)
        values = (amounts @ self.values.reshape(self.signs, -1)).index_select(0, batch)
        queries = torch.addmm(self.bias, x, self.weight)
        weights = softplus((queries * keys).sum(1) / math.sqrt(x.shape[1]))
        total = torch.zeros_like(psi).index_add(0, batch, weights) + TINY
        shares = weights / total.index_select(0, batch)
        return self.network((shares[:, None] * values)[None])[0]


class Electrons(nn.Module):
    """Embeddings of the total charge, the number of unpaired electrons, or both.

    Structures that do not state the charge count as neutral, and those that do not state the spin as singlets.

    Args:
        conditions: Names of the numbers: ``charge``, ``spin`` or both.
        channels: Number of features of each embedding.
    """

    def __init__(self, conditions: Collection[str], channels: int):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {name: ElectronicEmbedding(channels, signed=name == "charge") for name in CONDITIONS if name in conditions}
        )

    def forward(
        self, x: Float[Tensor, "atoms channels"], structures: Structures
    ) -> Float[Tensor, "conditions atoms channels"]:
        """Return one embedding of every atom per condition; embeddings are zero in neutral singlets."""
        results = []
        for name, embedding in self.embeddings.items():
            amount = getattr(structures, name)
            stated = amount is not None
            results.append(embedding(x, amount.to(x.dtype), structures.batch) if stated else torch.zeros_like(x))
        return torch.stack(results)
