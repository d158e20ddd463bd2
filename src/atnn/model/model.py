"""A model consists of a representation and of parts that turn its features into quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from atnn.derivatives import (
    Variables,
    derivable,
    derivation,
    differentiate,
    make_variables,
    strain_edges,
    strain_structures,
)
from atnn.errors import SpecificationError, suggest
from atnn.functions import ElementNetwork, Species
from atnn.model.assembly import (
    add_degrees,
    build_parts,
    build_representation,
    choose_parts,
    find_dependences,
    order_parts,
    refuse_derivatives_given_twice,
)
from atnn.model.checks import (
    check_charges,
    check_electrons,
    refuse_bare,
    refuse_charged_cells,
    refuse_charged_in_field,
    refuse_elements,
    refuse_ignored,
    warn_of_ignored,
)
from atnn.model.inputs import Inputs, bring_home, group_elements, translate_pairs
from atnn.model.registry import ModelSpecification
from atnn.neighbors import find_home, molecular_pairs
from atnn.neighbors.pairs import edges_of, select_pairs
from atnn.parts import SUMMED, Part, Scene, Statistics, add_values
from atnn.quantities import QUANTITIES
from atnn.representations import InField
from atnn.structures import HIGHEST, Neighbors, Structures


class Plan(NamedTuple):
    """The parts that are evaluated for a set of outputs.

    Attributes:
        wanted: Quantities that the parts must give.
        parts: The parts that they need, in order.
        degree: Largest degree of the features that these read; None where they read none.
    """

    wanted: frozenset[str]
    parts: tuple[Part, ...]
    degree: int | None


class Model(nn.Module):
    """A model predicts quantities of the table from structures and their neighbors.

    Args:
        specification: The components of the model.
        reference_energies: Atomic number -> energy [eV] of the isolated atom; zero where not given.
        seed: Seed of the random initial weights.

    Attributes:
        cutoff: Distance up to which the model needs pairs [Angstrom].
        parts: The parts by name; :attr:`order` lists the names in the order of evaluation.
        given: Quantities that the parts give without differentiation.
        depends: For each of these quantities, the names of :data:`atnn.stated.STATED` that it depends on.
        outputs: All quantities that the model can give.

    Raises:
        SpecificationError: The specification names components that do not fit each other.
    """

    rows: Tensor

    def __init__(
        self,
        specification: ModelSpecification,
        reference_energies: Mapping[int, float] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.specification = specification
        self.elements = specification.elements
        self.provenance: dict[str, Any] = {}
        self.reference_energies = {z: float((reference_energies or {}).get(z, 0.0)) for z in self.elements}
        species = Species(self.elements, specification.networks == "shared")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.representation = build_representation(specification, species)
            parts = build_parts(specification, species, self.representation.channels)
            self.representation = add_degrees(self.representation, parts, species)
        self.parts, self.order = nn.ModuleDict(parts), order_parts(parts)
        self._plans: dict[tuple[str, ...], Plan] = {}
        values = find_dependences(parts, self.order, specification.depends_on)
        if "atomic_energies" in values:  # they sum to the energy, except for parts that give no atomic energies
            values["energy"] = values["atomic_energies"] | values.get("energy", set())
        if any("energy" in part.gives for part in parts.values()):
            values.pop("atomic_energies", None)
        self.depends = {name: frozenset(values[name]) for name in QUANTITIES if name in values}
        refuse_derivatives_given_twice(self.depends)
        self.given = frozenset(self.depends)
        field = {"field"} if any("field" in names for names in self.depends.values()) else set()
        self.outputs = self.given | derivable(self.given, {"positions", "strain", *field})
        self.cutoff = max([self.representation.cutoff, *(part.cutoff for part in parts.values())])
        rows = torch.full((len(chemical_symbols),), -1)
        rows[list(self.elements)] = torch.arange(len(self.elements))
        self.register_buffer("rows", rows, persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        # A buffer tells the device, because batches are read while stand-ins replace the weights in tracing.
        return self.rows.device

    def start(self, statistics: Statistics, structures: Structures, neighbors: Neighbors) -> None:
        """Initialise the model from the training data.

        Sums over neighbors are scaled to their mean number, and the inputs of every network are standardised. Each part
        then starts from the statistics, after the parts that it needs.

        Args:
            statistics: Statistics of the training data.
            structures: A sample of the training data.
            neighbors: The pairs of the sample.
        """
        for name, buffer in self.representation.named_buffers():
            if name.endswith("neighbor_count"):
                buffer.fill_(max(1.0, statistics.neighbors))
        inputs = self.prepare(structures, neighbors)
        values: dict[str, Tensor] = {}
        with torch.no_grad(), _calibrate_networks(self):
            structures = bring_home(inputs)
            scene = _make_scene(inputs, structures, make_variables(structures, (), self.given))
            scene = self._add_features(scene, HIGHEST)
            for part in self._list_parts(self.order):
                part.start(statistics, self._choose_pairs(part, scene), values)
                values = add_values(values, part(self._choose_pairs(part, scene), values))

    def prepare(self, structures: Structures, neighbors: Neighbors, skin: float = 0.0) -> Inputs:
        """Prepare the inputs of :meth:`compute` in the type and on the device of the model.

        Args:
            structures: The batch.
            neighbors: All its pairs within :attr:`cutoff` plus the skin.
            skin: Largest decrease of a distance while these inputs are used [Angstrom].

        Raises:
            DataError: The model does not know an element.
        """
        structures, neighbors = structures.to(self.device), neighbors.to(self.device, self.dtype)
        home = find_home(structures)
        displacements, neighbors = home.displacements(structures), home.shift_pairs(neighbors)
        structures = structures.to(dtype=self.dtype).replace(positions=structures.positions.double())
        index = self.rows[structures.numbers]
        if bool((index < 0).any()):
            refuse_elements(structures, self.elements)
        near, far = translate_pairs(structures, neighbors), None
        if self.cutoff > self.representation.cutoff:
            positions = (structures.positions - displacements).to(self.dtype)
            close = edges_of(positions, near.translations, neighbors).lengths
            kept = close < self.representation.cutoff + skin
            near, far = translate_pairs(structures, select_pairs(neighbors, kept)), near
        reference = torch.zeros(len(structures), dtype=torch.float64, device=self.device)
        reference = reference.index_add(0, structures.batch, self._reference_table()[index])
        molecular = None
        if any(part.molecular for part in self._list_parts(self.order)):
            molecular = molecular_pairs(structures.batch, ~structures.pbc.any(1))
        elements = group_elements(index, len(self.elements), self.dtype)
        origins = home.origins.to(self.dtype)
        rows = structures.index_rows({QUANTITIES[name].axis for name in self.given}, neighbors)
        return Inputs(structures, displacements, origins, near, far, molecular, elements, reference, rows)

    def compute(self, inputs: Inputs, outputs: Sequence[str], create_graph: bool = False) -> dict[str, Tensor]:
        """Compute the outputs by tensor operations alone, so that the computation can be traced."""
        structures = bring_home(inputs)
        variables = make_variables(structures, outputs, self.given)
        values = self.from_edges(_make_scene(inputs, structures, variables), outputs)
        values |= differentiate(values, variables, structures, outputs, create_graph, inputs.probe)
        return {name: values[name] for name in outputs}

    def from_edges(self, scene: Scene, outputs: Sequence[str]) -> dict[str, Tensor]:
        """Compute, from the vectors of the pairs, the quantities that the outputs are or are derivatives of.

        Args:
            scene: Scene without features; its list of pairs may be one-sided.
            outputs: Names from :attr:`outputs`.
        """
        plan = self._plan(tuple(outputs))
        if plan.degree is not None:
            scene = self._add_features(scene, plan.degree)
        values: dict[str, Tensor] = {}
        for part in plan.parts:
            values = add_values(values, part(self._choose_pairs(part, scene), values))
        return self._add_references(values, scene, plan.wanted)

    def forward(
        self,
        structures: Structures,
        neighbors: Neighbors,
        outputs: Sequence[str] = ("energy", "forces"),
        create_graph: bool = False,
    ) -> dict[str, Tensor]:
        """Compute the requested quantities of a batch.

        Args:
            structures: The batch.
            neighbors: All its pairs within :attr:`cutoff`; more distant pairs change nothing.
            outputs: Names from :attr:`outputs`.
            create_graph: Keep the graph of the derivatives, as training needs.

        Raises:
            SpecificationError: The model does not give an output, stress is requested of a structure that is not
                periodic in three dimensions, or a part cannot describe a structure.
            DataError: The model does not know an element, ignores a field, or cannot describe a charge in a field, no
                atom is of an adsorbate where an output is one of adsorbates, or an output of a charged cell would be a
                derivative of its dipole.
        """
        self.check_outputs(outputs, structures)
        refuse_ignored(structures, self.depends)
        self._refuse_charged_in_field(structures)
        with torch.enable_grad() if create_graph or derivation(outputs, self.given) else torch.no_grad():
            return self.compute(self.prepare(structures, neighbors), outputs, create_graph)

    def check_outputs(self, outputs: Sequence[str], structures: Structures) -> None:
        """Refuse outputs that the model cannot give for these structures."""
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise SpecificationError(
                f"the model does not give {', '.join(missing)}",
                remedy="".join(suggest(name, self.outputs) for name in missing)
                + f"choose from: {', '.join(sorted(self.outputs))}",
            )
        refuse_bare(structures, outputs)
        refuse_charged_cells(structures, outputs, self.given)
        over_volume = [name for name in outputs if QUANTITIES[name].per_volume]
        if over_volume and not bool(structures.pbc.all()):
            raise SpecificationError(
                f"{', '.join(over_volume)} of a structure that is not periodic in three dimensions",
                remedy="ask for the virial, which needs no volume",
            )
        for part in self._plan(tuple(outputs)).parts:
            part.check(structures)

    def check_structures(self, structures: Structures, where: str = "", refuse: bool = False) -> None:
        """Check that the model can describe these structures.

        Args:
            structures: The structures.
            where: File or caller, for the message.
            refuse: Raise an error for charges and spins that the model ignores, as predictions must. Training and
                comparison with labels warn of them instead.

        Raises:
            DataError: The model does not know an element, or ignores an electric field or, with ``refuse``, charges or
                spins. A model that depends on the charge also refuses charges that exceed those of the nuclei, and one
                whose representation depends on charge or spin refuses numbers of electrons that contradict each other.
                Charged structures in a field are refused if the model lacks the condition ``charge``, or if they are
                periodic.

        Warns:
            AtnnWarning: The number of structures with charges or spins that the model ignores.
        """
        refuse_elements(structures, self.elements, where)
        if any("charge" in names for names in self.depends.values()):
            check_charges(structures, where)
        if self.specification.depends_on - {"field"}:
            check_electrons(structures, where)
        self._refuse_charged_in_field(structures, where)
        refuse_ignored(structures, self.depends, where, all=refuse)
        warn_of_ignored(structures, self.depends, where)

    def _refuse_charged_in_field(self, structures: Structures, where: str = "") -> None:
        if "energy" in self.given and "field" in self.specification.depends_on:
            refuse_charged_in_field(structures, "charge_in_field" in self.parts, where)

    def _plan(self, outputs: tuple[str, ...]) -> Plan:
        """Find the parts that the outputs need; the result is kept for later calls."""
        if outputs not in self._plans:
            sources = {row.derivative.of for row in derivation(outputs, self.given) if row.derivative}
            wanted = (sources | set(outputs)) & self.given
            values = wanted | SUMMED if wanted & SUMMED else wanted
            named = dict(zip(self.order, self._list_parts(self.order), strict=True))
            parts = tuple(self._list_parts(choose_parts(named, self.order, values)))
            degrees = [part.degree for part in parts if part.degree is not None]
            self._plans[outputs] = Plan(frozenset(wanted), parts, max(degrees, default=None))
        return self._plans[outputs]

    def _list_parts(self, names: Sequence[str]) -> Iterator[Part]:
        for name in names:
            part = self.parts[name]
            assert isinstance(part, Part)
            yield part

    def _add_features(self, scene: Scene, degree: int) -> Scene:
        return scene._replace(features=self.representation(scene.structures, scene.edges, scene.elements, degree))

    def _reference_table(self) -> Tensor:
        """Reference energy of each element [eV], float64."""
        return torch.tensor(list(self.reference_energies.values()), dtype=torch.float64, device=self.device)

    def _add_references(self, values: dict[str, Tensor], scene: Scene, wanted: frozenset[str]) -> dict[str, Tensor]:
        """Select the wanted values; atomic and reference energies are added, so that energies are totals."""
        found = {name: values[name] for name in wanted - SUMMED}
        if "energy" in wanted:
            total = scene.reference
            if "atomic_energies" in values:
                total = total + scene.sum_structures(values["atomic_energies"].double())
            found["energy"] = total + values["energy"].double() if "energy" in values else total
        if "atomic_energies" in wanted:
            found["atomic_energies"] = values["atomic_energies"] + self._reference_table()[scene.elements.row]
        return found

    def _choose_pairs(self, part: Part, scene: Scene) -> Scene:
        """Give the scene the pairs within the cutoff of the part."""
        return scene if part.cutoff <= self.representation.cutoff else scene._replace(edges=scene.far)


def _make_scene(inputs: Inputs, structures: Structures, variables: Variables) -> Scene:
    """Build the scene of structures at home as a function of the variables."""
    structures = variables.apply(structures)
    lists = [pairs for pairs in (inputs.near, inputs.far) if pairs is not None]
    edges = [edges_of(structures.positions, pairs.translations, pairs.neighbors) for pairs in lists]
    if variables.strain is not None:
        edges = [strain_edges(part, structures, variables.strain) for part in edges]
        structures = strain_structures(structures, variables.strain)
    return Scene(
        structures,
        edges[0],
        edges[-1],
        inputs.molecular,
        inputs.elements,
        inputs.reference,
        inputs.origins,
        inputs.rows,
    )


@contextmanager
def _calibrate_networks(model: nn.Module) -> Iterator[None]:
    """Let networks standardise their inputs, and a field its invariants, by what they see within this context."""
    modules = [module for module in model.modules() if isinstance(module, ElementNetwork | InField)]
    for module in modules:
        module.calibrating = True
    try:
        yield
    finally:
        for module in modules:
            module.calibrating = False
