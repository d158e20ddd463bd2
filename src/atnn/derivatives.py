"""This module holds the only calls of automatic differentiation in the package.

The table of quantities states which quantity is which derivative, and with which sign.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from atnn.errors import SpecificationError
from atnn.neighbors.pairs import vector_lengths
from atnn.quantities import QUANTITIES, Derivative, Quantity, Variable, quantity
from atnn.structures import Edges, Structures


class Variables(NamedTuple):
    """Variables by which quantities are differentiated; None where no output needs one.

    Attributes:
        positions: Cartesian positions [Angstrom].
        strain: Strain of each structure, whose value is zero.
        field: External electric field [V/Angstrom].
    """

    positions: Float[Tensor, "atoms 3"] | None
    strain: Float[Tensor, "structures 3 3"] | None
    field: Float[Tensor, "structures 3"] | None

    def apply(self, structures: Structures) -> Structures:
        """Put the variables into the structures, which are not strained yet."""
        given = {name: value for name in ("positions", "field") if (value := getattr(self, name)) is not None}
        return structures.replace(**given) if given else structures


def derivable(given: Collection[str], variables: Collection[str]) -> frozenset[str]:
    """Find the rows of the table that follow from the given ones by one or several derivatives."""
    found = set(given)
    while new := {row.name for row in QUANTITIES.values() if row.name not in found and _follows(row, found, variables)}:
        found |= new
    return frozenset(found - set(given))


def _follows(row: Quantity, found: Collection[str], variables: Collection[str]) -> bool:
    return row.derivative is not None and row.derivative.of in found and _is_derivable(row, variables)


def _is_derivable(row: Quantity, variables: Collection[str]) -> bool:
    """Whether a row is a derivative by one of the variables of a quantity of structures, or of atoms by positions."""
    rule = row.derivative
    if rule is None or rule.by not in variables:
        return False
    return quantity(rule.of).axis == "structure" or is_second(row)


def is_second(row: Quantity) -> bool:
    """Whether a row is the derivative of vectors of atoms by the positions, which takes a loop over the atoms."""
    if row.derivative is None or (row.axis, row.derivative.by) != ("atom_pair", "positions"):
        return False
    source = quantity(row.derivative.of)
    return (source.axis, source.shape) == ("atom", (3,))


def derivation(outputs: Iterable[str], given: Collection[str]) -> tuple[Quantity, ...]:
    """List the rows that have to be derived for the outputs. Each row follows the one it derives from.

    Raises:
        SpecificationError: An output is neither given nor a derivative of what is given.
    """
    ordered: dict[str, Quantity] = {}
    for name in outputs:
        _append_row(name, given, ordered)
    return tuple(ordered.values())


def _append_row(name: str, given: Collection[str], ordered: dict[str, Quantity]) -> None:
    """Append a row after those that it derives from, unless it is given or there already."""
    if name in given or name in ordered:
        return
    row = quantity(name)
    if not _is_derivable(row, get_args(Variable)):
        raise SpecificationError(
            f"{name} is not given and does not follow from {', '.join(sorted(given)) or 'nothing'}",
            where="outputs",
            remedy="remove it, or add an output to the model that gives it",
        )
    _append_row(_rule_of(row).of, given, ordered)
    ordered[name] = row


def make_variables(structures: Structures, outputs: Iterable[str], given: Collection[str]) -> Variables:
    """Make fresh variables for the outputs that are derived."""
    wanted = {_rule_of(row).by for row in derivation(outputs, given)}
    return Variables(
        positions=_make_variable(structures.positions) if "positions" in wanted else None,
        strain=_make_variable(torch.zeros_like(structures.cell)) if "strain" in wanted else None,
        field=_make_variable(structures.applied_field) if "field" in wanted else None,
    )


def _make_variable(start: Tensor) -> Tensor:
    return start.detach().requires_grad_(True)


def strain_structures(structures: Structures, strain: Float[Tensor, "structures 3 3"]) -> Structures:
    """Strain atoms and cells of each structure by its symmetric strain, ``r -> r (1 + strain)``."""
    symmetric = _symmetrise(strain)
    by_atom = symmetric.index_select(0, structures.batch)
    positions = structures.positions + torch.einsum("ax,axy->ay", structures.positions, by_atom)
    return structures.replace(positions=positions, cell=structures.cell + structures.cell @ symmetric)


def strain_edges(edges: Edges, structures: Structures, strain: Float[Tensor, "structures 3 3"]) -> Edges:
    """Strain the pairs as :func:`strain_structures` strains the atoms."""
    by_pair = _symmetrise(strain).index_select(0, structures.batch.index_select(0, edges.i))
    vectors = edges.vectors + torch.einsum("ex,exy->ey", edges.vectors, by_pair)
    return edges._replace(vectors=vectors, lengths=vector_lengths(vectors))


def differentiate(
    values: dict[str, Tensor],
    variables: Variables,
    structures: Structures,
    outputs: Iterable[str],
    create_graph: bool = False,
    probe: Float[Tensor, "atoms 3"] | None = None,
) -> dict[str, Tensor]:
    """Derive the outputs that are not among the values from these or from each other.

    Args:
        values: Quantities as functions of the variables.
        variables: Result of :func:`make_variables` for the same outputs.
        structures: Structures, for their volumes.
        outputs: Names of quantities, each among the values or :func:`derivable` from them.
        create_graph: Keep the graph, for losses of derivatives and for higher derivatives.
        probe: If given, quantities of pairs of atoms such as the Hessian are contracted with these vectors, see
            :func:`contract`. This takes one differentiation and not three for each atom.

    Returns:
        Derived quantities in the units of the table, for instance ``forces`` = -dE/dr [eV/Angstrom].
    """
    rows = derivation(outputs, values)
    found = dict(values)
    sources = list(dict.fromkeys(_rule_of(row).of for row in rows))
    for place, source in enumerate(sources):
        derived = [row for row in rows if _rule_of(row).of == source]
        if any(is_second(row) for row in derived):
            assert variables.positions is not None
            blocks = _compute_blocks(found[source], variables.positions, structures, create_graph, probe)
            found |= {row.name: _apply_rule(blocks, _rule_of(row), structures) for row in derived}
            continue
        names = list(dict.fromkeys(_rule_of(row).by for row in derived))
        again = create_graph or any(row.name in sources for row in derived)
        keep = again or place + 1 < len(sources)
        gradients = _compute_gradients(
            found[source], [getattr(variables, name) for name in names], quantity(source).symmetric, again, keep
        )
        by_name = dict(zip(names, gradients, strict=True))
        found |= {row.name: _apply_rule(by_name[_rule_of(row).by], _rule_of(row), structures) for row in derived}
    # First derivatives still hold a graph if they were differentiated again.
    return {row.name: found[row.name] if create_graph else found[row.name].detach() for row in rows}


def _compute_gradients(
    value: Tensor, variables: Sequence[Tensor], symmetric: bool, create_graph: bool, retain: bool
) -> list[Tensor]:
    """Differentiate values [structures, *shape]; results are [rows, *shape of a value, *shape of a variable]."""
    if not value.requires_grad:  # a constant derivative, such as the dipole of an energy that is linear in the field
        return [x.new_zeros((len(x), *value.shape[1:], *x.shape[1:])) for x in variables]
    parts, place_of = [value.sum()], [0]
    if value.dim() > 1:
        place_of, chosen = _list_components(value.shape[1:], symmetric)
        totals = value.flatten(1).sum(0).unbind()
        parts = [totals[index] for index in chosen]
    gradients = [
        torch.autograd.grad(part, variables, create_graph=create_graph, retain_graph=retain or place + 1 < len(parts),
                            materialize_grads=True)
        for place, part in enumerate(parts)
    ]  # fmt: skip
    if value.dim() == 1:
        return list(gradients[0])
    return [
        torch.stack([g[place] for place in place_of], dim=1).unflatten(1, value.shape[1:])
        for g in zip(*gradients, strict=True)
    ]


def _list_components(shape: Sequence[int], symmetric: bool) -> tuple[list[int], list[int]]:
    """List the components of a value that have to be differentiated, by their index in the flattened value.

    Returns:
        For every component the place of its own or, where the last two axes may be exchanged, its equal's in the list;
        and the list.
    """
    index = np.arange(math.prod(shape)).reshape(shape)
    equal = np.minimum(index, index.swapaxes(-1, -2)) if symmetric else index
    chosen, place_of = np.unique(equal, return_inverse=True)
    return place_of.reshape(-1).tolist(), chosen.tolist()


def _compute_blocks(
    value: Float[Tensor, "atoms 3"],
    positions: Float[Tensor, "atoms 3"],
    structures: Structures,
    create_graph: bool,
    probe: Float[Tensor, "atoms 3"] | None,
) -> Tensor:
    """Differentiate vectors of atoms by the positions; results are [pairs of atoms, 3, 3], or contracted [atoms, 3].

    No atom depends on another structure, so the k-th atoms of all structures are differentiated at once.
    """

    def differentiate_sum(total: Tensor) -> Tensor:
        if not total.requires_grad:
            return torch.zeros_like(positions)
        (gradient,) = torch.autograd.grad(
            total, positions, create_graph=create_graph, retain_graph=True, materialize_grads=True
        )
        return gradient

    if probe is not None:
        return differentiate_sum((value * probe).sum())
    counts = structures.counts
    starts = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(positions), device=positions.device) - starts[structures.batch]
    sums = [value[place == k].sum(0)[x] for k in range(int(counts.max())) for x in range(3)]
    gradients = torch.stack([differentiate_sum(total) for total in sums]).unflatten(0, (-1, 3))
    first, second = structures.pairs("atom_pair")
    return gradients[place[first], :, second]


def contract(
    values: Float[Tensor, "pairs 3 3"], structures: Structures, probe: Float[Tensor, "atoms 3"]
) -> Float[Tensor, "atoms 3"]:
    """Contract a matrix of pairs of atoms, such as the Hessian, with a vector: ``sum_ax v_ax H_ax,by``."""
    first, second = structures.pairs("atom_pair")
    products = torch.einsum("px,pxy->py", probe[first], values)
    return torch.zeros_like(probe).index_add(0, second, products)


def _apply_rule(gradient: Tensor, rule: Derivative, structures: Structures) -> Tensor:
    signed = gradient if rule.sign > 0 else -gradient
    if not rule.per_volume:
        return signed
    return signed / structures.volumes.reshape(-1, *(1,) * (signed.dim() - 1)).to(signed.dtype)


def _rule_of(row: Quantity) -> Derivative:
    assert row.derivative is not None
    return row.derivative


def _symmetrise(strain: Tensor) -> Tensor:
    return 0.5 * (strain + strain.transpose(1, 2))


def parameter_gradients(loss: Float[Tensor, ""], parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Differentiate a loss by every parameter; the gradient is zero where the loss does not depend on it."""
    return torch.autograd.grad(loss, parameters, materialize_grads=True)
