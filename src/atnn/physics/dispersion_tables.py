"""Published parameters of the dispersion energies: elements, reference atoms and functionals.

scripts/tabulate_dispersion.py wrote the two files from the packages of the methods' authors (Apache licence 2.0,
dispersion-LICENSE.txt). The files use atomic units, the functions return units of this package unless stated.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import pad

from atnn import units
from atnn.errors import SpecificationError, suggest

REFERENCES = Path(__file__).with_name("dispersion_references.safetensors")
FUNCTIONALS = Path(__file__).with_name("dispersion_functionals.json")
C6_UNIT = 1e-4  # hartree bohr^6; the published coefficients of D3 have four decimals
PRECISION = 1e-8  # relative error allowed in the C6 coefficients
CHARGE = (3.0, 2.0)  # height and steepness of the charge scaling z of D4
SMALLEST_CHARGE = 0.01  # e, lower bound of Z + q; the charge scaling is constant below
LANES = 8  # the vectors are padded to a multiple of this length, which makes sums over pairs several times faster

Method = Literal["d3", "d4"]


class Damping(NamedTuple):
    """Parameters of rational damping, fitted to a functional.

    Attributes:
        s6, s8: Scales of the two terms.
        a1: Scale of the critical radius.
        a2: Offset of the critical radius [Angstrom].
    """

    s6: float
    s8: float
    a1: float
    a2: float


class ElementData(NamedTuple):
    """Parameters of each element, float64.

    Attributes:
        radii: Covalent radii of Pyykko and Atsumi, enlarged by 4/3 [Angstrom].
        ratios: Square root of C8 / (3 C6) of like atoms, from expectation values of r^4 and r^2 [Angstrom].
        electronegativities: Pauling electronegativities.
        hardnesses: Chemical hardnesses [hartree].
        nuclear: Nuclear charges less the core electrons of the pseudopotential [e].
    """

    radii: Float[Tensor, " elements"]
    ratios: Float[Tensor, " elements"]
    electronegativities: Float[Tensor, " elements"]
    hardnesses: Float[Tensor, " elements"]
    nuclear: Float[Tensor, " elements"]


class ReferenceAtoms(NamedTuple):
    """Atoms of reference molecules, between which the C6 coefficients are interpolated; float64.

    Attributes:
        absent: 0 where the reference belongs to the element, minus infinity elsewhere.
        coordination: Coordination number of each reference.
        vectors: ``c6[a, b] = sum_k vectors[a, k] signs[k] vectors[b, k]`` [eV Angstrom^6].
        signs: 1 or -1, 0 for empty columns.
        charges: Partial charge of each reference [e]; D4 only.
        shells: 1 for a reference weighted by the sum of three Gaussians instead of one, 0 otherwise; D4 only.
    """

    absent: Float[Tensor, "elements references"]
    coordination: Float[Tensor, " references"]
    vectors: Float[Tensor, "references k"]
    signs: Float[Tensor, " k"]
    charges: Float[Tensor, " references"] | None = None
    shells: Float[Tensor, " references"] | None = None


def known_functionals(method: Method) -> tuple[str, ...]:
    """List the functionals that a method has parameters for."""
    return tuple(_read_functionals()[method])


def canonical_functional(method: Method, functional: str) -> str:
    """Find the table's name of a functional. Case, spaces, hyphens, slashes and underscores do not matter.

    Raises:
        SpecificationError: The method has no parameters for the functional.

    >>> canonical_functional("d3", "r2-SCAN"), canonical_functional("d3", "BP86")
    ('r2scan', 'bp')
    """
    table = _read_functionals()
    names = {_normalise_name(name): name for name in table[method]}
    aliases = {_normalise_name(alias): name for alias, name in table["aliases"].items() if name in table[method]}
    found = (aliases | names).get(_normalise_name(functional))
    if found is not None:
        return found
    raise SpecificationError(
        f"{method.upper()} has no damping parameters for the functional {functional!r}",
        remedy=f"{suggest(functional, names.values())}known: {', '.join(names.values())}",
    )


def damping_parameters(method: Method, functional: str) -> Damping:
    """Look up the parameters of a functional for rational (Becke-Johnson) damping.

    Raises:
        SpecificationError: The method has no parameters for the functional.
    """
    s6, s8, a1, a2 = _read_functionals()[method][canonical_functional(method, functional)]
    return Damping(s6, s8, a1, a2 * units.bohr)


@functools.cache
def _read_functionals() -> dict[str, Any]:
    return json.loads(FUNCTIONALS.read_text(encoding="utf-8"))


def _normalise_name(name: str) -> str:
    spelled = name.casefold().replace("²", "2").replace("ω", "w")
    return "".join(letter for letter in spelled if letter not in "-_/ ")


def element_data(numbers: Sequence[int]) -> ElementData:
    """Look up the parameters of the elements with the given atomic numbers."""
    names = ("covalent_radii", "expectation_ratios", "electronegativities", "hardnesses", "effective_charges")
    radii, ratios, *others = (values[list(numbers)] for values in _read(*names))
    return ElementData(radii, ratios * units.bohr, *others)


def d3_references(numbers: Sequence[int]) -> ReferenceAtoms:
    """Look up the D3 reference atoms of the elements with the given atomic numbers.

    Raises:
        SpecificationError: D3 has no references for an element.
    """
    elements, coordination, triangle = _read("d3.elements", "d3.coordination", "d3.c6")
    chosen, absent = _select_references("d3", elements, numbers)
    first, second = torch.meshgrid(chosen, chosen, indexing="ij")
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    c6 = triangle[high * (high + 1) // 2 + low].double() * C6_UNIT
    return ReferenceAtoms(absent, coordination[chosen], *_factorise(c6))


def d4_references(numbers: Sequence[int], charge_scale: float = 1.0) -> ReferenceAtoms:
    """Look up the D4 reference atoms of the elements with the given atomic numbers.

    The polarizability of an atom is that of its molecule less those of the molecule's other atoms, which their charges
    scale. The coefficients follow from the Casimir-Polder formula,
    ``C6 = 3/pi integral alpha_a(i w) alpha_b(i w) dw`` [hartree bohr^6].

    Args:
        numbers: Atomic numbers.
        charge_scale: Factor on the charges of the reference molecules.

    Raises:
        SpecificationError: D4 has no references for an element.
    """
    elements, coordination, charges, gaussians = _read("d4.elements", "d4.coordination", "d4.charges", "d4.gaussians")
    chosen, absent = _select_references("d4", elements, numbers)
    alpha = _atomic_polarizabilities(chosen, charge_scale)
    c6 = 3 / math.pi * (alpha * _read("d4.integration")[0]) @ alpha.T
    shells = (gaussians[chosen] == 3).double()
    return ReferenceAtoms(absent, coordination[chosen], *_factorise(c6), charge_scale * charges[chosen], shells)


def _atomic_polarizabilities(
    chosen: Int[Tensor, " references"], charge_scale: float
) -> Float[Tensor, "references frequencies"]:
    """Polarizabilities of the reference atoms at imaginary frequencies [bohr^3]."""
    names = ("molecules", "shares", "partners", "partner_counts", "partner_charges")
    molecules, shares, partners, counts, charges = (values[chosen] for values in _read(*(f"d4.{n}" for n in names)))
    alone, nuclear, hardnesses = _read("d4.partner_polarizabilities", "effective_charges", "hardnesses")
    height, steepness = CHARGE
    core = nuclear[partners]
    left = (charge_scale * charges + core).clamp(min=SMALLEST_CHARGE)
    growth = torch.exp(steepness * hardnesses[partners] * (1 - core / left))
    others = torch.exp(height * (1 - growth))[:, None] * alone[partners]
    return (shares[:, None] * (molecules - counts[:, None] * others)).clamp(min=0)


def _read(*names: str) -> list[Tensor]:
    with safe_open(REFERENCES, framework="pt") as file:
        return [file.get_tensor(name) for name in names]


def _select_references(
    method: Method, elements: Int[Tensor, " all"], numbers: Sequence[int]
) -> tuple[Int[Tensor, " references"], Float[Tensor, "elements references"]]:
    """Choose the rows of the elements' references and return ``absent`` of :class:`ReferenceAtoms` with them."""
    own = elements[None, :] == torch.tensor(list(numbers))[:, None]
    missing = [chemical_symbols[z] for z, found in zip(numbers, own.any(1).tolist(), strict=True) if not found]
    if missing:
        raise SpecificationError(
            f"{method.upper()} has no reference atoms of {', '.join(missing)}",
            remedy=f"leave the term out; its elements are those from H to {chemical_symbols[int(elements.max())]}",
        )
    chosen = own.any(0).nonzero()[:, 0]
    return chosen, torch.where(own[:, chosen], 0.0, -math.inf).double()


def _factorise(
    c6: Float[Tensor, "references references"],
) -> tuple[Float[Tensor, "references k"], Float[Tensor, " k"]]:
    """Factorise C6 [hartree bohr^6] into ``vectors`` and ``signs`` of :class:`ReferenceAtoms` [eV Angstrom^6].

    The matrix is scaled to a unit diagonal, so that no coefficient changes by more than the largest omitted eigenvalue
    in this scale. Few eigenvalues are large, because the coefficients of all atoms come from similar integrals.
    Negative ones come from rounded decimals.
    """
    scale = c6.diagonal().sqrt()
    eigenvalues, eigenvectors = torch.linalg.eigh(c6 / torch.outer(scale, scale))
    kept = eigenvalues.abs() > PRECISION
    vectors = eigenvectors[:, kept] * eigenvalues[kept].abs().sqrt() * scale[:, None]
    free = (0, -vectors.shape[1] % LANES)
    return pad(vectors * math.sqrt(units.hartree * units.bohr**6), free), pad(eigenvalues[kept].sign(), free)
