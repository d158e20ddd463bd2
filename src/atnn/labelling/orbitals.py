"""Bases of atomic orbitals and their overlaps from the programs that know them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers
from jaxtyping import Float
from torch import Tensor

from atnn.basis import Basis
from atnn.errors import LabellingError
from atnn.labelling.pyscf import check_shells, list_shells, make_molecule
from atnn.labelling.tblite import TbliteLabeller, describe_element
from atnn.structures import Structures

_TIGHT_BINDING = re.compile(r"GFN\d-xTB")


def find_basis(name: str, elements: Iterable[str]) -> Basis:
    """Ask PySCF for the shells of a basis set, or tblite for those of its method.

    Args:
        name: Basis set in PySCF's spelling, such as ``def2-svp``, or ``GFN2-xTB`` or ``GFN1-xTB``.
        elements: Symbols.

    Raises:
        LabellingError: The program does not know the basis or an element, or is not installed.
    """
    symbols = sorted(set(elements), key=lambda symbol: atomic_numbers.get(symbol, 0))
    if unknown := [symbol for symbol in symbols if atomic_numbers.get(symbol, 0) < 1]:
        raise LabellingError(f"no elements: {', '.join(unknown)}", remedy="give symbols such as H or Cl")
    if _TIGHT_BINDING.fullmatch(name):
        found = {symbol: describe_element(name, atomic_numbers[symbol]) for symbol in symbols}
        cores = {symbol: atomic_numbers[symbol] - valence for symbol, (_, valence) in found.items()}
        shells = {symbol: own for symbol, (own, _) in found.items()}
        return Basis(name=name, convention="tblite", shells=shells, cores={s: n for s, n in cores.items() if n})
    return Basis(name=name, convention="pyscf", shells={symbol: _find_shells(name, symbol) for symbol in symbols})


def compute_overlap(structure: Structures, basis: Basis) -> Float[Tensor, "orbitals orbitals"]:
    """Compute the overlap of the orbitals of one molecule by the program of the basis, float64.

    Raises:
        LabellingError: The program fails, is not installed, or has other shells than the basis states.
    """
    if len(structure) != 1 or bool(structure.pbc.any()):
        raise LabellingError("overlaps are computed for one molecule at a time", remedy="give molecules one by one")
    if basis.convention == "tblite":
        blocks = TbliteLabeller(basis.name, orbitals=basis)(structure)["overlap"]  # type: ignore[arg-type]
        return basis.join(torch.from_numpy(blocks), structure.numbers)
    molecule = make_molecule(structure, basis.name)
    check_shells(molecule, basis, structure.numbers.tolist())
    return torch.from_numpy(np.asarray(molecule.intor("int1e_ovlp")))


def _find_shells(name: str, symbol: str) -> tuple[int, ...]:
    atom = Structures.from_ase(Atoms(symbol))
    try:
        return list_shells(make_molecule(atom, name), 0)
    except (KeyError, RuntimeError, ValueError) as error:
        raise LabellingError(f"PySCF has no basis {name} for {symbol}: {error}", remedy="look at the name") from error
