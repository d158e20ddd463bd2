"""The table of physical quantities has one row for each. Losses, readers, derivatives, dynamics and reports read it.

A row holds everything that is needed to read, learn, derive, store and show a quantity. You add rows of your own with
``QUANTITIES["name"] = Quantity("name", ...)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from atnn.errors import suggest
from atnn.units import CHARGE, ENERGY, LENGTH, NUMBER, TIME, Dimension, coulomb, unit_of

Axis = Literal["structure", "atom", "atom_pair", "adsorbate", "adsorbate_pair"]
AXES: tuple[Axis, ...] = get_args(Axis)
Variable = Literal["positions", "strain", "field"]


@dataclass(frozen=True, slots=True)
class Derivative:
    """Definition as a derivative: ``sign * d(of) / d(by)``, divided by the volume if ``per_volume``."""

    of: str
    by: Variable
    sign: Literal[1, -1] = 1
    per_volume: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """Description of one physical quantity.

    Attributes:
        name: Key in label and output dictionaries, and in configuration files.
        axis: What has one value each: a ``structure``, an ``atom``, an ordered pair of atoms of a structure
            (``atom_pair``), an atom that the structures mark as ``adsorbate``, or an ordered pair of these
            (``adsorbate_pair``). :meth:`atnn.structures.Structures.rows` maps the rows of each axis to structures.
        shape: Shape of one value; its last ``rank`` axes are Cartesian.
        dimension: Powers of energy, length, charge and time.
        extensive: True if the value of two distant fragments is the sum of their values.
        rank: Tensor rank under rotation.
        parity: Sign under inversion, +1 or -1.
        symmetric: True if the last two axes may be exchanged, in quantities of pairs together with the two atoms, so
            that the matrix of all pairs is symmetric. Labels are symmetrised, and six numbers are read in Voigt order.
        derivative: Definition as a derivative of another quantity, if there is one.
        keys: Further names in files.
        display: Unit shown to people and its number per :attr:`unit`; by default a thousandth of :attr:`unit`.
        sign_free: True if each value is defined up to its sign, as a transition dipole is. Errors are those of the sign
            that lies nearer to the label.
        partial: True if labels may exist on some atoms only; NaN in all components marks the others.
        positive: True if its matrix has no negative eigenvalue.
        declared: True if readers do not assume its unit, because files hold it in several.
        weighted: True if files may hold it divided by the square roots of the masses of its two atoms, which the unit
            tells: that of friction then is a rate, such as 1/ps.
        named_unit: Name of the unit of numbers that have one by custom, such as ppm.
        sizes: Atomic number -> how many leading rows and columns the matrix of a pair of atoms has for an atom of this
            element, as pairs; the others are padding and count in no error. Empty where nothing is padded.
    """

    name: str
    axis: Axis
    shape: tuple[int, ...]
    dimension: Dimension
    extensive: bool
    rank: int
    parity: Literal[1, -1]
    symmetric: bool = False
    derivative: Derivative | None = None
    keys: tuple[str, ...] = ()
    display: tuple[str, float] | None = None
    sign_free: bool = False
    partial: bool = False
    positive: bool = False
    declared: bool = False
    weighted: bool = False
    named_unit: str = ""
    sizes: tuple[tuple[int, int], ...] = ()

    @property
    def unit(self) -> str:
        """Unit inside the package."""
        return self.named_unit or unit_of(self.dimension)

    @property
    def unit_key(self) -> str:
        """Key in files that states the unit, where it must be declared."""
        return f"{self.name}_unit"

    @property
    def display_unit(self) -> str:
        """Unit shown to users."""
        return f"m{self.unit}" if self.display is None else self.display[0]

    @property
    def display_factor(self) -> float:
        """Number of :attr:`display_unit` in one :attr:`unit`."""
        return 1e3 if self.display is None else self.display[1]

    @property
    def per_atom(self) -> bool:
        """True if errors are counted per atom.

        Sums over atoms grow with the number of atoms, unless contributions of opposite direction cancel. They cancel in
        quantities that are odd under inversion, such as the dipole of randomly oriented molecules.
        """
        return self.axis == "structure" and self.extensive and self.parity == 1

    @property
    def per_volume(self) -> bool:
        """Whether it is divided by the volume, which only structures periodic in three dimensions have."""
        return self.derivative is not None and self.derivative.per_volume

    @property
    def referenced(self) -> bool:
        """Whether it is an energy with an arbitrary zero, from which reference energies are subtracted."""
        return self.dimension == ENERGY and self.derivative is None and not self.shape


# From the ground state to the first excited states. Each state has its own row, because a frame may lack some of them.
TRANSITION_DIPOLES = tuple(f"transition_dipole_{state}" for state in range(1, 6))


def transition_dipole(name: str) -> Quantity:
    """Make the row of the transition dipole between two states, for more states than the table has."""
    return Quantity(
        name, axis="structure", shape=(3,), dimension=CHARGE * LENGTH, extensive=False, rank=1, parity=-1,
        sign_free=True, keys=(f"REF_{name}", f"dft_{name}"),
    )  # fmt: skip


_TABLE = (
    Quantity(
        "energy", axis="structure", shape=(), dimension=ENERGY, extensive=True, rank=0, parity=1,
        keys=("free_energy", "Energy", "REF_energy", "total_energy", "dft_energy", "E"),
    ),
    Quantity(
        "forces", axis="atom", shape=(3,), dimension=ENERGY / LENGTH, extensive=False, rank=1, parity=-1,
        derivative=Derivative("energy", "positions", sign=-1),
        keys=("force", "Forces", "REF_forces", "dft_forces", "F"),
    ),
    Quantity(
        "hessian", axis="atom_pair", shape=(3, 3), dimension=ENERGY / LENGTH**2, extensive=False, rank=2, parity=1,
        symmetric=True, derivative=Derivative("forces", "positions", sign=-1),
        keys=("Hessian", "REF_hessian", "dft_hessian", "force_constants"),
    ),
    Quantity(
        "stress", axis="structure", shape=(3, 3), dimension=ENERGY / LENGTH**3, extensive=False, rank=2, parity=1,
        symmetric=True, derivative=Derivative("energy", "strain", per_volume=True),
        keys=("REF_stress", "dft_stress"),
    ),
    Quantity(
        "virial", axis="structure", shape=(3, 3), dimension=ENERGY, extensive=True, rank=2, parity=1,
        symmetric=True, derivative=Derivative("energy", "strain", sign=-1),
        keys=("virials", "REF_virial", "dft_virial"),
    ),
    Quantity(
        "dipole", axis="structure", shape=(3,), dimension=CHARGE * LENGTH, extensive=True, rank=1, parity=-1,
        derivative=Derivative("energy", "field", sign=-1),
        keys=("mu", "Dipole", "dipole_moment", "REF_dipole", "dft_dipole"),
    ),
    Quantity(
        "polarizability", axis="structure", shape=(3, 3), dimension=CHARGE**2 * LENGTH**2 / ENERGY, extensive=True,
        rank=2, parity=1, symmetric=True, derivative=Derivative("dipole", "field"),
        keys=("alpha", "Polarizability", "REF_polarizability", "dft_polarizability"), display=("Angstrom^3", coulomb),
    ),
    Quantity(
        "hyperpolarizability", axis="structure", shape=(3, 3, 3), dimension=CHARGE**3 * LENGTH**3 / ENERGY**2,
        extensive=True, rank=3, parity=-1, derivative=Derivative("polarizability", "field"),
        keys=("REF_hyperpolarizability", "dft_hyperpolarizability"), display=("e^3 Angstrom^3/eV^2", 1.0),
    ),
    Quantity(
        "born_charges", axis="atom", shape=(3, 3), dimension=CHARGE, extensive=False, rank=2, parity=1,
        derivative=Derivative("dipole", "positions"),
        keys=("atomic_polar_tensors", "REF_born_charges", "dft_born_charges"),
    ),
    Quantity(
        "polarizability_gradients", axis="atom", shape=(3, 3, 3), dimension=CHARGE**2 * LENGTH / ENERGY,
        extensive=False, rank=3, parity=-1, derivative=Derivative("polarizability", "positions"),
        display=("Angstrom^2", coulomb),
    ),
    Quantity(
        "charges", axis="atom", shape=(), dimension=CHARGE, extensive=False, rank=0, parity=1,
        keys=("partial_charges", "atomic_charges", "REF_charges", "mulliken_charges", "hirshfeld_charges"),
    ),
    Quantity(
        "atomic_dipoles", axis="atom", shape=(3,), dimension=CHARGE * LENGTH, extensive=False, rank=1, parity=-1,
        partial=True, keys=("REF_atomic_dipoles", "dft_atomic_dipoles"),
    ),
    Quantity(
        "shieldings", axis="atom", shape=(3, 3), dimension=NUMBER, extensive=False, rank=2, parity=1, partial=True,
        keys=("nmr_shieldings", "ms", "REF_shieldings", "dft_shieldings"), display=("ppm", 1.0),
        named_unit="ppm",
    ),
    *map(transition_dipole, TRANSITION_DIPOLES),
    Quantity(
        "friction", axis="adsorbate_pair", shape=(3, 3), dimension=ENERGY * TIME / LENGTH**2, extensive=False, rank=2,
        parity=1, symmetric=True, positive=True, declared=True, weighted=True,
        keys=("friction_tensor", "electronic_friction", "REF_friction"),
    ),
    Quantity(
        "embedding_density", axis="adsorbate", shape=(), dimension=LENGTH**-3, extensive=False, rank=0, parity=1,
        keys=("REF_embedding_density",),
    ),
    Quantity("atomic_energies", axis="atom", shape=(), dimension=ENERGY, extensive=False, rank=0, parity=1),
)  # fmt: skip

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}


def quantity(name: str) -> Quantity:
    """Look up a row of the table; a ``KeyError`` lists the known names."""
    if name not in QUANTITIES:
        raise KeyError(f"unknown quantity {name!r}; {suggest(name, QUANTITIES)}known: {', '.join(QUANTITIES)}")
    return QUANTITIES[name]
