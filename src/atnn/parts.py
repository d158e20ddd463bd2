"""Parts of a model are readouts, sources of charges and physics terms. They give values to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from atnn.basis import Basis
from atnn.functions import Activation, ElementNetwork, Species
from atnn.specification import Specification
from atnn.structures import Edges, Elements, Features, Rows, Structures

# Values that several parts may give; the contributions are added.
SUMMED = frozenset({"energy", "atomic_energies"})
ADDED_CHANNELS = 16  # of each degree of features that a representation lacks and that a part reads
Values = Mapping[str, Tensor]


class Scene(NamedTuple):
    """The view that a part has of a batch.

    Attributes:
        structures: Positions and cells, strained if something is differentiated by the strain. Atoms are translated, so
            that positions are relative to ``origins`` and, along periodic directions, within the cell.
        edges: Neighbor pairs within the cutoff of the representation, or within the largest cutoff of all parts for a
            part with a larger cutoff than the representation.
        far: Neighbor pairs within the largest cutoff of all parts.
        molecular: First and second atom of every pair within each molecule, at any distance, each pair once. None if no
            part of the model needs them.
        elements: Atoms in blocks of one element.
        reference: Sum of the elements' reference energies of each structure [eV], float64.
        origins: Origin of the positions of each structure [Angstrom].
        rows: Atoms of the rows of quantities of pairs and of adsorbates, for parts that give such quantities.
        features: Features of each atom from the representation.
    """

    structures: Structures
    edges: Edges
    far: Edges
    molecular: Int[Tensor, "2 molecular"] | None
    elements: Elements
    reference: Float[Tensor, " structures"]
    origins: Float[Tensor, "structures 3"]
    rows: Rows = Rows()
    features: Features = Features(())

    def sum_structures(self, atoms: Float[Tensor, "atoms *shape"]) -> Float[Tensor, "structures *shape"]:
        """Sum values of the atoms over each structure."""
        total = atoms.new_zeros((self.structures.cell.shape[0], *atoms.shape[1:]))
        return total.index_add(0, self.structures.batch, atoms)


class PairMoments(NamedTuple):
    """Mean and mean square of the labels of the pairs of two elements, for each component.

    Attributes:
        mean: Mean.
        square: Mean of the square.
        number: Number of pairs.
    """

    mean: Float[Tensor, "..."]
    square: Float[Tensor, "..."]
    number: int


class Statistics(NamedTuple):
    """Knowledge of the training data before a training begins.

    Attributes:
        neighbors: Mean number of neighbors of an atom.
        scale: Size of the energies to be learned [eV], such as the root mean square force times 1 Angstrom.
        energy: Mean energy per atom less the reference energies [eV]; None if energies are not learned.
        means: Atomic quantity -> atomic number -> mean label.
        spreads: Quantity -> spread of its labels.
        isotropic: Tensor of the second rank -> atomic number -> mean third of the trace of an atom; the mean per atom
            where the tensor belongs to whole structures.
        pairs: Quantity of pairs of atoms -> two atomic numbers -> moments of its labels. The second number is 0 for an
            atom with itself.
    """

    neighbors: float = 10.0
    scale: float = 1.0
    energy: float | None = None
    means: Mapping[str, Mapping[int, float]] = {}
    spreads: Mapping[str, float] = {}
    isotropic: Mapping[str, Mapping[int, float]] = {}
    pairs: Mapping[str, Mapping[tuple[int, int], PairMoments]] = {}


class Part(nn.Module):
    """A part reads features, pairs or values of other parts, and gives values, which may be quantities of the table.

    The order in which a model evaluates its parts follows from ``needs`` and ``gives``. Only parts that the outputs
    need are evaluated. Energies that several parts give are added.

    Attributes:
        needs: Names of the values that other parts must give.
        gives: Names of the values that :meth:`forward` returns.
        conditions: Names of :data:`atnn.stated.STATED` that it depends on directly.
        degree: Largest degree of the features that it reads; None if it reads none.
        cutoff: Distance up to which it needs pairs [Angstrom]; zero if it needs none.
        molecular: True if it needs all pairs within each molecule.
    """

    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    degree: int | None = None
    cutoff: float = 0.0
    molecular: bool = False

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Set the start of the parameters from the training data. A part without parameters has nothing to set.

        Args:
            statistics: Statistics of the training data.
            scene: A sample of the training data.
            values: Values that earlier parts give for this sample.
        """

    def check(self, structures: Structures) -> None:
        """Refuse structures that the part cannot describe. Most parts describe all.

        Raises:
            AtnnError: The part cannot describe a structure.
        """

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """Compute the values that the part gives."""
        raise NotImplementedError


class ChargesSpecification(Specification):
    """Specification of a source of charges.

    Attributes:
        starts_from: Quantity that ``raw_charges`` stand for, so that they start from its means; empty if there is none.
    """

    starts_from: ClassVar[str] = ""

    def parts(self, design: Design) -> dict[str, Part]:
        """Build the source, by name: a part that needs ``raw_charges`` and gives ``charges``."""
        raise NotImplementedError


class Design(NamedTuple):
    """The sizes and choices that parts are built for.

    Attributes:
        species: The elements, and whether they share networks.
        channels: Number of channels of the features of each degree.
        hidden: Layer widths of one residual block of a network.
        blocks: Number of residual blocks of a network.
        charges: Specification of the source of charges, whose ``parts`` compute charges from ``raw_charges``.
        energy_inputs: Atomic values that the network of the energy takes as inputs beside the features.
        basis: Atomic orbitals of a Hamiltonian.
        activation: Activation of the networks.
        layer_norm: Whether the layers in their residual blocks are normalised.
    """

    species: Species
    channels: tuple[int, ...]
    hidden: tuple[int, ...] = (64, 64)
    blocks: int = 1
    charges: ChargesSpecification | None = None
    energy_inputs: tuple[str, ...] = ()
    basis: Basis | None = None
    activation: Activation = "silu"
    layer_norm: bool = False

    def width(self, degree: int) -> int:
        """Give the number of channels of the features of a degree; those that the representation lacks are added."""
        return self.channels[degree] if degree < len(self.channels) else ADDED_CHANNELS

    @property
    def source(self) -> ChargesSpecification:
        """Specification of the source of charges."""
        assert self.charges is not None
        return self.charges

    def network(self, outputs: int, scale: float = 1.0, known: tuple[float, ...] = ()) -> ElementNetwork:
        """Build a network of the invariants of each atom.

        Args:
            outputs: Number of outputs.
            scale: Factor on the initial weights of the output layer.
            known: Standard deviations of further inputs, which follow the invariants.
        """
        inputs = self.width(0) + len(known)
        sizes = inputs, self.hidden, outputs, self.blocks, scale, known
        return ElementNetwork(self.species, *sizes, self.activation, self.layer_norm)


def add_values(values: Values, more: Values) -> dict[str, Tensor]:
    """Join values of several parts, and add up energies that both give."""
    added = {name: values[name] + more[name] for name in SUMMED & values.keys() & more.keys()}
    return {**values, **more, **added}
