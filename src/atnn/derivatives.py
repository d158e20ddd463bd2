"""Derivatives: the only calls of automatic differentiation in the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from atnn.neighbors.pairs import lengths
from atnn.quantities import QUANTITIES
from atnn.structures import Edges, Structures


class Leaves(NamedTuple):
    """Variables that the energy is differentiated by; None where no output asks for it."""

    positions: Float[Tensor, "atoms 3"] | None
    strain: Float[Tensor, "structures 3 3"] | None


def derived(outputs: Iterable[str], variable: str) -> tuple[str, ...]:
    """Those of the outputs that are derivatives of the energy by ``positions`` or ``strain``."""
    table = (QUANTITIES[name] for name in outputs)
    return tuple(q.name for q in table if q.derivative_of == "energy" and q.with_respect_to == variable)


def leaves(structures: Structures, outputs: Iterable[str]) -> Leaves:
    """Fresh variables for the derivatives among the outputs."""
    outputs = tuple(outputs)
    positions = strain = None
    if derived(outputs, "positions"):
        positions = structures.positions.detach().requires_grad_(True)
    if derived(outputs, "strain"):
        strain = torch.zeros_like(structures.cell).requires_grad_(True)
    return Leaves(positions, strain)


def strained(structures: Structures, strain: Float[Tensor, "structures 3 3"]) -> Structures:
    """Atoms and cells under a symmetric strain of each structure, ``r -> r (1 + strain)``."""
    symmetric = _symmetric(strain)
    by_atom = symmetric.index_select(0, structures.batch)
    positions = structures.positions + torch.einsum("ax,axy->ay", structures.positions, by_atom)
    return structures.replace(positions=positions, cell=structures.cell + structures.cell @ symmetric)


def strained_edges(edges: Edges, structures: Structures, strain: Float[Tensor, "structures 3 3"]) -> Edges:
    """Pairs under the strain of :func:`strained`."""
    by_pair = _symmetric(strain).index_select(0, structures.batch.index_select(0, edges.i))
    vectors = edges.vectors + torch.einsum("ex,exy->ey", edges.vectors, by_pair)
    return edges._replace(vectors=vectors, lengths=lengths(vectors))


def _symmetric(strain: Tensor) -> Tensor:
    return 0.5 * (strain + strain.transpose(1, 2))


def differentiate(
    energy: Float[Tensor, " structures"] | None,
    variables: Leaves,
    structures: Structures,
    outputs: Iterable[str],
    create_graph: bool = False,
) -> dict[str, Tensor]:
    """Derivatives of the energy that the outputs ask for.

    Args:
        energy: Energies of each structure [eV], a function of the variables; None of a model without.
        variables: From :func:`leaves`.
        structures: For the volumes.
        outputs: Any names; those that are not derivatives are left out.
        create_graph: Keep the graph, for losses of derivatives and for higher derivatives.

    Returns:
        ``forces`` = -dE/dr [eV/Angstrom], ``stress`` = (1/V) dE/dstrain [eV/Angstrom^3] and
        ``virial`` = -dE/dstrain [eV], as asked for.
    """
    wanted = [variable for variable in variables if variable is not None]
    if energy is None or not wanted:
        return {}
    gradients = iter(torch.autograd.grad(energy.sum(), wanted, create_graph=create_graph, materialize_grads=True))
    results = {}
    if variables.positions is not None:
        results["forces"] = -next(gradients)
    if variables.strain is not None:
        by_strain = next(gradients)
        results["virial"] = -by_strain
        results["stress"] = by_strain / structures.volumes[:, None, None].to(by_strain.dtype)
    return {name: results[name] for name in outputs if name in results}


def parameter_gradients(loss: Float[Tensor, ""], parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradient of a loss by every parameter, zero for those it does not depend on."""
    return torch.autograd.grad(loss, parameters, materialize_grads=True)
