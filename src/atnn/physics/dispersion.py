"""London dispersion between pairs of atoms: DFT-D3 with rational damping, and DFT-D4 with charges.

Both methods interpolate the C6 coefficient of a pair between those of reference molecules. D3 uses the coordination
numbers of the two atoms, D4 also their charges. The three-body term of Axilrod, Teller and Muto is an option of D4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor, nn

from atnn import units
from atnn.errors import SpecificationError
from atnn.functions import polynomial
from atnn.kernels import pair_products, sum_centers, weighted_neighbor_sum
from atnn.parts import Design, Part, Scene, Values
from atnn.physics.dispersion_tables import (
    CHARGE,
    SMALLEST_CHARGE,
    Damping,
    Method,
    canonical_functional,
    d3_references,
    d4_references,
    damping_parameters,
    element_data,
)
from atnn.physics.three_body import triangle_energies
from atnn.specification import Specification
from atnn.structures import Edges, Elements

SWITCH = 0.8  # fraction of the cutoff at which the pair energies begin to be switched off
D3_STEEPNESS, D3_WIDTH = 16.0, 4.0  # steepness of the counting function, exponent of the Gaussian weights
D4_STEEPNESS, D4_WIDTH = 7.5, 6.0
UNBOUND = -6.0  # below this, erf is -1 in double precision; the clamp avoids slow arithmetic with subnormals
D4_BOND = (4.10451, 19.08857, 2 * 11.28174**2)  # k4, k5 and k6 of the weight d of a bond
D4_DAMPING = 16 / 3  # exponent of the damping of three atoms


def _canonicalise(method: Method, functional: str) -> str:
    try:
        return canonical_functional(method, functional)
    except SpecificationError as error:
        raise ValueError(str(error)) from None  # pydantic adds the key to a ValueError only


class D3Specification(Specification):
    """DFT-D3 dispersion with rational damping.

    Pair energies are switched off over the last fifth of the cutoff. The neglected energy per atom is about
    ``2 pi rho C6 / 3 r^3``, which is 1 meV in water at the default.
    """

    name: Literal["d3"] = "d3"
    functional: str = Field(description="density functional of the labels or of the energy that dispersion is added to")
    cutoff: float = Field(10.0, gt=0, le=1000, description="distance beyond which pairs do not interact [Angstrom]")

    @field_validator("functional")
    @classmethod
    def _check_functional(cls, functional: str) -> str:
        return _canonicalise("d3", functional)

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the term."""
        return {self.name: D3(self, design.species.numbers)}


class DampingSpecification(Specification):
    """Parameters of rational damping, for functionals that the table does not have."""

    s6: float = Field(1.0, ge=0, description="scale of the term r^-6")
    s8: float = Field(ge=0, description="scale of the term r^-8")
    a1: float = Field(ge=0, description="scale of the critical radius")
    a2: float = Field(ge=0, description="offset of the critical radius [Angstrom]")


class D4Specification(Specification):
    """DFT-D4 dispersion with rational damping, and a three-body term if it is asked for.

    The cutoff acts as in :class:`D3Specification`. A triangle is switched off over the last fifth of its cutoff.
    """

    name: Literal["d4"] = "d4"
    functional: str | DampingSpecification = Field(
        description="density functional of the labels or of the energy that dispersion is added to, or its s8, a1, a2"
    )
    cutoff: float = Field(10.0, gt=0, le=1000, description="distance beyond which pairs do not interact [Angstrom]")
    charge_scale: float = Field(1.0, ge=0, le=2, description="factor on the charges of the reference molecules")
    s9: float = Field(0.0, ge=0, le=1, description="scale of the three-body term; 1 as published, which is expensive")
    three_body_cutoff: float = Field(
        8.0, gt=0, le=1000, description="longest side of a triangle of the three-body term [Angstrom]"
    )

    @field_validator("functional")
    @classmethod
    def _check_functional(cls, functional: str | DampingSpecification) -> str | DampingSpecification:
        return _canonicalise("d4", functional) if isinstance(functional, str) else functional

    @property
    def damping(self) -> Damping:
        """Parameters of rational damping."""
        given = self.functional
        if isinstance(given, str):
            return damping_parameters("d4", given)
        return Damping(given.s6, given.s8, given.a1, given.a2)

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the term."""
        return {self.name: D4(self, design.species.numbers)}


class DampedPairs(nn.Module):
    """Distance dependence of a pair energy, which is damped where the atoms overlap and zero at the cutoff.

    ``g(r) = f(r) [s6 / (r^6 + R^6) + s8 c / (r^8 + R^8)]`` with ``c = C8 / C6 = 3 q_i q_j`` and the critical radius
    ``R = a1 sqrt(c) + a2``. The switch f is one up to four fifths of the cutoff.

    Source: S. Grimme, S. Ehrlich, L. Goerigk, J. Comput. Chem. 32, 1456 (2011), doi:10.1002/jcc.21759.

    Args:
        damping: Damping parameters of the functional.
        cutoff: Distance beyond which g is zero [Angstrom].
        ratios: q of each element [Angstrom].
    """

    table: Tensor
    radii: Tensor

    def __init__(self, damping: Damping, cutoff: float, ratios: Float[Tensor, " elements"]):
        super().__init__()
        self.cutoff, self.s6 = cutoff, damping.s6
        c = 3 * torch.outer(ratios, ratios).flatten()
        radius = damping.a1 * c.sqrt() + damping.a2
        self.register_buffer("radii", radius, persistent=False)
        self.register_buffer("table", torch.stack([radius**6, radius**8, damping.s8 * c]), persistent=False)

    def switch(self, lengths: Float[Tensor, " pairs"]) -> Float[Tensor, " pairs"]:
        """Compute f of each pair."""
        return switch_off(lengths, self.cutoff)

    def forward(
        self, lengths: Float[Tensor, " pairs"], kinds: Int[Tensor, " pairs"], switch: Float[Tensor, " pairs"]
    ) -> Float[Tensor, " pairs"]:
        """Compute g of each pair from its ``switch`` f [1/Angstrom^6]."""
        sixth, eighth, scale = (row.index_select(0, kinds) for row in self.table.to(lengths.dtype))
        square = lengths * lengths
        power = square * square * square
        return switch * (self.s6 / (power + sixth) + scale / (power * square + eighth))


class D3(Part):
    """``E = -1/2 sum_ij C6_ij g(r_ij)`` with C6 from coordination numbers.

        n_i    = sum_j f(r_ij) / (1 + exp(-16 ((R_i + R_j) / r_ij - 1)))
        w_ia   = exp(-4 (n_i - n_a)^2) / sum_b exp(-4 (n_i - n_b)^2)
        C6_ij  = sum_ab w_ia w_jb C6_ab

    The sums run over the reference atoms a, b of the two elements. g and f are those of :class:`DampedPairs`, R are
    covalent radii. The published coordination numbers n have no switch f.

    Source: S. Grimme, J. Antony, S. Ehrlich, H. Krieg, J. Chem. Phys. 132, 154104 (2010), doi:10.1063/1.3382344.

    Args:
        specification: Functional and cutoff.
        numbers: Atomic numbers of the model's elements.

    Raises:
        SpecificationError: An element has no reference atoms.
    """

    gives = frozenset({"atomic_energies"})
    contacts: Tensor
    absent: Tensor
    coordination: Tensor
    vectors: Tensor
    signs: Tensor

    def __init__(self, specification: D3Specification, numbers: Sequence[int]):
        super().__init__()
        self.specification, self.cutoff = specification, specification.cutoff
        references, data = d3_references(numbers), element_data(numbers)
        self.damped = DampedPairs(damping_parameters("d3", specification.functional), self.cutoff, data.ratios)
        self.register_buffer("contacts", (data.radii[:, None] + data.radii).flatten(), persistent=False)
        for name in ("absent", "coordination", "vectors", "signs"):
            self.register_buffer(name, getattr(references, name), persistent=False)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``atomic_energies`` [atoms] in eV, float64."""
        edges, elements = scene.edges, scene.elements
        kinds, switch = pair_kinds(edges, elements, len(self.absent)), self.damped.switch(edges.lengths)
        contacts = self.contacts.to(switch.dtype).index_select(0, kinds)
        counts = switch * torch.sigmoid(D3_STEEPNESS * (contacts / edges.lengths - 1))
        distance = sum_centers(counts[:, None], edges.i, edges.offsets) - self.coordination.to(switch.dtype)
        logarithms = self.absent.to(switch.dtype).index_select(0, elements.row) - D3_WIDTH * distance**2
        vectors = torch.softmax(logarithms, dim=1) @ self.vectors.to(switch.dtype)
        return {"atomic_energies": pair_energies(edges, vectors, self.signs, self.damped(edges.lengths, kinds, switch))}


class D4(Part):
    """``E = -1/2 sum_ij C6_ij g(r_ij)`` with C6 from coordination numbers and partial charges.

        n_i    = sum_j f(r_ij) d_ij (1 + erf(7.5 (1 - r_ij / (R_i + R_j)))) / 2
        d_ij   = k4 exp(-(|x_i - x_j| + k5)^2 / k6)
        w_ia   ~ sum_s exp(-6 s (n_i - n_a)^2),   sum_a w_ia = 1
        z_ia   = exp(3 (1 - exp(2 h_i (1 - (Z_i + q_a) / (Z_i + q_i)))))
        C6_ij  = sum_ab z_ia w_ia z_jb w_jb C6_ab

    The sums run over the reference atoms a, b of the two elements, with s = 1, or s = 1, 2, 3 where references share a
    coordination number. g and f are those of :class:`DampedPairs`, R covalent radii, x electronegativities, h
    hardnesses and Z effective nuclear charges. The published coordination numbers n have no switch f. Charges may come
    from any source, but the parameters were fitted with charges of the EEQ model and with the three-body term. A model
    that learned the parameters itself, as SpookyNet does, gives them as numbers, and a factor on the charges q_a. With
    s9, the energies of :func:`atnn.physics.three_body.triangle_energies` are added, with the C6 of neutral atoms and
    p = 16/3.

    Source: E. Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019), doi:10.1063/1.5090222.

    Args:
        specification: Functional, cutoffs and scale of the three-body term.
        numbers: Atomic numbers of the model's elements.

    Raises:
        SpecificationError: An element has no reference atoms.
    """

    needs = frozenset({"charges"})
    gives = frozenset({"atomic_energies"})
    bonds: Tensor
    atoms: Tensor
    absent: Tensor
    coordination: Tensor
    vectors: Tensor
    signs: Tensor
    charges: Tensor
    shells: Tensor

    def __init__(self, specification: D4Specification, numbers: Sequence[int]):
        super().__init__()
        self.specification, reach = specification, specification.three_body_cutoff if specification.s9 else 0.0
        self.cutoff = max(specification.cutoff, reach)
        references, data = d4_references(numbers, specification.charge_scale), element_data(numbers)
        self.damped = DampedPairs(specification.damping, specification.cutoff, data.ratios)
        radii = (data.radii[:, None] + data.radii).flatten()
        polarity = (data.electronegativities[:, None] - data.electronegativities).abs().flatten()
        strength = D4_BOND[0] * torch.exp(-((polarity + D4_BOND[1]) ** 2) / D4_BOND[2])
        self.register_buffer("bonds", torch.stack([D4_STEEPNESS / radii, 0.5 * strength]), persistent=False)
        self.register_buffer("atoms", torch.stack([data.nuclear, data.hardnesses], dim=1), persistent=False)
        for name in ("absent", "coordination", "vectors", "signs", "charges", "shells"):
            self.register_buffer(name, getattr(references, name), persistent=False)

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``atomic_energies`` [atoms] in eV, float64, differentiable by the ``charges`` [atoms] in e, too."""
        edges, elements = scene.edges, scene.elements
        kinds, switch = pair_kinds(edges, elements, len(self.absent)), self.damped.switch(edges.lengths)
        slope, half = (row.index_select(0, kinds) for row in self.bonds.to(switch.dtype))
        counts = switch * half * (1 + torch.erf((D4_STEEPNESS - slope * edges.lengths).clamp(min=UNBOUND)))
        numbers = sum_centers(counts[:, None], edges.i, edges.offsets)
        weights, charges = self.weights(numbers, elements), values["charges"].to(switch.dtype)
        vectors = (weights * self.scales(charges, elements)) @ self.vectors.to(switch.dtype)
        pairs = pair_energies(edges, vectors, self.signs, self.damped(edges.lengths, kinds, switch))
        if not self.specification.s9:
            return {"atomic_energies": pairs}
        neutral = (weights * self.scales(torch.zeros_like(charges), elements)) @ self.vectors.to(switch.dtype)
        return {"atomic_energies": pairs + self.three_body(scene, neutral)}

    def three_body(self, scene: Scene, vectors: Float[Tensor, "atoms k"]) -> Float[Tensor, " atoms"]:
        """Compute the three-body energy of each atom [eV] from the ``vectors`` of neutral atoms."""
        edges, cutoff = scene.edges, self.specification.three_body_cutoff
        kinds = pair_kinds(edges, scene.elements, len(self.absent))
        c6 = pair_products(vectors * self.signs.to(vectors.dtype), vectors, edges) / units.hartree ** (1 / 3)
        scale = self.specification.s9 ** (1 / 3)
        lengths = edges.lengths
        strength = scale * c6.clamp(min=0).sqrt() * switch_off(lengths, cutoff) / lengths**3
        damping = (self.damped.radii.to(lengths.dtype).index_select(0, kinds) / lengths) ** D4_DAMPING
        return triangle_energies(scene, torch.stack([lengths**2, strength, damping], dim=1), cutoff)

    def weights(self, numbers: Float[Tensor, "atoms 1"], elements: Elements) -> Float[Tensor, "atoms references"]:
        """Compute the weights w from coordination numbers, normalised for each atom."""
        exponents = D4_WIDTH * (numbers - self.coordination.to(numbers.dtype)) ** 2
        more = self.shells.to(numbers.dtype) * (torch.exp(-exponents) + torch.exp(-2 * exponents))
        logarithms = self.absent.to(numbers.dtype).index_select(0, elements.row) - exponents + torch.log1p(more)
        return torch.softmax(logarithms, dim=1)

    def scales(self, charges: Float[Tensor, " atoms"], elements: Elements) -> Float[Tensor, "atoms references"]:
        """Compute z, by which the charge scales the polarizability."""
        nuclear, hardness = self.atoms.to(charges.dtype).index_select(0, elements.row).split(1, dim=1)
        left = (nuclear + charges[:, None]).clamp(min=SMALLEST_CHARGE)
        height, steepness = CHARGE
        growth = torch.exp(steepness * hardness * (1 - (nuclear + self.charges.to(charges.dtype)) / left))
        return torch.exp(height * (1 - growth))


def switch_off(lengths: Float[Tensor, " pairs"], cutoff: float) -> Float[Tensor, " pairs"]:
    """Go from one at four fifths of the cutoff to zero at the cutoff, with two continuous derivatives."""
    start = SWITCH * cutoff
    return polynomial(((lengths - start) / (cutoff - start)).clamp(min=0.0), order=3)


def pair_kinds(edges: Edges, elements: Elements, count: int) -> Int[Tensor, " pairs"]:
    """Find the row of each pair in a table of all pairs of ``count`` elements."""
    return elements.row.index_select(0, edges.i) * count + elements.row.index_select(0, edges.j)


def pair_energies(
    edges: Edges, vectors: Float[Tensor, "atoms k"], signs: Float[Tensor, " k"], factors: Float[Tensor, " pairs"]
) -> Float[Tensor, " atoms"]:
    """``E_i = -1/2 sum_j C6_ij g_ij`` [eV], float64, with ``C6_ij = sum_k v_ik signs_k v_jk``.

    The sum over neighbors comes first, so that no C6 is computed for each pair.

    Args:
        edges: Pairs.
        vectors: v of each atom [eV^(1/2) Angstrom^3].
        signs: 1 or -1, 0 for empty columns.
        factors: g [1/Angstrom^6].
    """
    return -0.5 * (vectors * signs.to(vectors.dtype) * weighted_neighbor_sum(factors, vectors, edges)).sum(1).double()
