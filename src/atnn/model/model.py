"""A model: representation, readouts and physics terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from atnn.derivatives import derivation, differentiate, make_variables, strain_edges, strain_structures
from atnn.errors import DataError, SpecificationError
from atnn.functions import ElementNetwork, Species
from atnn.model.inputs import Inputs, group_elements, pairs_of
from atnn.model.registry import CHARGES, READOUTS, REPRESENTATIONS, TERMS, ModelSpecification
from atnn.neighbors.pairs import edges_of, select_pairs
from atnn.physics import LatentElectrostaticsSpecification
from atnn.physics.coulomb import molecular_pairs
from atnn.readouts import EnergyReadout, LatentChargesReadout, NetworkCharges
from atnn.representations import Conditioned
from atnn.structures import Edges, Neighbors, Structures

CHARGE_SPREAD = 0.2  # e, of charges as inputs of a network


class Model(nn.Module):
    """Predicts quantities of the table from structures and their neighbors.

    Args:
        specification: What it is made of.
        reference_energies: Energy [eV] of each element's atom, by atomic number; zero where not given.
        seed: Of the random start of the weights.
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
        count = len(self.elements)
        species = Species(self.elements, specification.networks == "shared")
        own = getattr(specification.representation, "conditions", ())
        self.conditions = frozenset(own if specification.conditions is None else specification.conditions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.representation = _representation(specification, species, self.conditions)
            channels = self.representation.channels
            self.readouts = nn.ModuleDict(
                {output: _readout(output, specification, species, channels) for output in specification.outputs}
            )
            for term in specification.terms:
                if isinstance(term, LatentElectrostaticsSpecification):
                    sizes = (channels, species, specification.hidden, specification.blocks, term.channels)
                    self.readouts["latent_charges"] = LatentChargesReadout(*sizes)
        self.terms = nn.ModuleList(TERMS[term.name][1](term, self.elements) for term in specification.terms)
        rows = torch.full((len(chemical_symbols),), -1)
        rows[list(self.elements)] = torch.arange(count)
        self.register_buffer("rows", rows, persistent=False)
        self.set_reference_energies(reference_energies or {})

    @property
    def cutoff(self) -> float:
        """Distance up to which the model needs pairs [Angstrom]."""
        return max([self.representation.cutoff, *(term.cutoff for term in self.terms)])

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        # Of a buffer: while a training step is traced stand-ins replace the weights, and batches are read meanwhile.
        return self.rows.device

    @property
    def _given(self) -> set[str]:
        return {name for output in self.specification.outputs for name in READOUTS[output].outputs}

    @property
    def outputs(self) -> frozenset[str]:
        """Everything the model can give, derivatives included."""
        direct = self._given
        return frozenset(direct | ({"forces", "stress", "virial"} if "energy" in direct else set()))

    def set_reference_energies(self, energies: Mapping[int, float]) -> None:
        """Reference energy [eV] of each element, added in float64 outside the network."""
        self.reference_energies = {z: float(energies.get(z, 0.0)) for z in self.elements}

    def set_energy_scale(self, scale: float) -> None:
        """Unit of the energy network [eV], such as the root mean square of the training forces."""
        if "energy" in self.readouts:
            self.readouts["energy"].get_buffer("scale").fill_(scale)

    def set_binding_energy(self, energy: float) -> None:
        """Start the network from this mean energy per atom [eV], on top of the reference energies."""
        readout = self.readouts["energy"]
        assert isinstance(readout, EnergyReadout)
        readout.start_from(energy)

    def set_mean_charges(self, charges: Mapping[int, float]) -> None:
        """Start the network of the charges, if there is one, from these means [e] of the elements' charges."""
        means = torch.tensor([charges.get(z, 0.0) for z in self.elements], dtype=self.dtype, device=self.device)
        for readout in self.readouts.values():
            if isinstance(getattr(readout, "source", None), NetworkCharges):
                network = readout.network
                assert isinstance(network, ElementNetwork)
                network.start_from(means[:, None])

    def set_neighbor_count(self, mean_neighbors: float) -> None:
        """Mean number of neighbors in the training data, for representations that scale their sums by it."""
        for name, buffer in self.representation.named_buffers():
            if name.endswith("neighbor_count"):
                buffer.fill_(max(1.0, mean_neighbors))

    def calibrate(self, structures: Structures, neighbors: Neighbors) -> None:
        """Standardise the inputs of every network by a sample of the training data."""
        networks = [module for module in self.modules() if isinstance(module, ElementNetwork)]
        for network in networks:
            network.calibrating = True
        with torch.no_grad():
            self.compute(self.prepare(structures, neighbors), self.specification.outputs)
        for network in networks:
            network.calibrating = False
        if self.specification.charges_in_energy:
            # The charges so far are those of an untrained network. Taken as small ones beside large invariants, they
            # would be learned late.
            energy = self.readouts["energy"].get_submodule("network")
            energy.get_buffer("mean")[-1], energy.get_buffer("spread")[-1] = 0.0, CHARGE_SPREAD

    def mean_term_energy(self, structures: Structures, neighbors: Neighbors) -> float:
        """Mean energy per atom [eV] of the physics terms in these structures; zero without terms."""
        if not self.terms:
            return 0.0
        inputs = self.prepare(structures, neighbors)
        with torch.no_grad():
            parts = _edges(inputs, inputs.structures.positions)
            results = self._read(inputs, parts[0])
            energies = torch.stack([*self._term_energies(inputs, parts[0], parts[-1], results)]).sum(0)
        return float((energies / inputs.structures.counts).mean())

    def prepare(self, structures: Structures, neighbors: Neighbors, skin: float = 0.0) -> Inputs:
        """Inputs of :meth:`compute`, in the model's type and on its device.

        Args:
            structures: The batch.
            neighbors: All its pairs within :attr:`cutoff` and the skin.
            skin: By how much pairs may come closer while these inputs are used [Angstrom].

        Raises:
            DataError: An element that the model does not know.
        """
        structures = structures.to(self.device, self.dtype)
        neighbors = neighbors.to(self.device, self.dtype)
        index = self.rows[structures.numbers]
        if bool((index < 0).any()):
            self._refuse(structures.numbers[index < 0])
        near, far = pairs_of(structures, neighbors), None
        if self.cutoff > self.representation.cutoff:
            close = edges_of(structures.positions, near.translations, neighbors).lengths
            kept = close < self.representation.cutoff + skin
            near, far = pairs_of(structures, select_pairs(neighbors, kept)), near
        energies = torch.tensor(list(self.reference_energies.values()), dtype=torch.float64, device=self.device)
        reference = torch.zeros(len(structures), dtype=torch.float64, device=self.device)
        reference = reference.index_add(0, structures.batch, energies[index])
        molecular = None
        if any(getattr(term, "all_pairs_of_molecules", False) for term in self.terms):
            molecular = torch.stack(molecular_pairs(structures.batch, ~structures.pbc.any(1)))
        elements = group_elements(index, len(self.elements), self.dtype)
        return Inputs(structures, near, far, molecular, elements, reference)

    def _refuse(self, numbers: Tensor) -> None:
        unknown = ", ".join(chemical_symbols[z] for z in numbers.unique().tolist())
        known = ", ".join(chemical_symbols[z] for z in self.elements)
        raise DataError(
            f"the model does not know the elements {unknown}",
            where=f"model for {known}",
            remedy="train with data that contain them, or remove these structures",
        )

    def predict(self, inputs: Inputs, edges: Edges, far: Edges) -> dict[str, Tensor]:
        """Direct outputs of the readouts, terms and reference energies included.

        Args:
            inputs: With the structures as they are, strained where the energy is differentiated by the strain.
            edges: Pairs of the representation.
            far: Pairs of the terms that reach farther.
        """
        results = self._read(inputs, edges)
        if "energy" in results:
            results["energy"] = sum(self._term_energies(inputs, edges, far, results), results["energy"])
            results["energy"] = results["energy"] + inputs.reference
        return results

    def _read(self, inputs: Inputs, edges: Edges) -> dict[str, Tensor]:
        structures, elements = inputs.structures, inputs.elements
        features = self.representation(structures, edges, elements)
        results: dict[str, Tensor] = {}
        for name in sorted(self.readouts, key=lambda name: name == "energy"):  # which may depend on the charges
            seen = features
            if name == "energy" and self.specification.charges_in_energy:
                seen = features.extended(results["charges"][:, None])
            results |= self.readouts[name](structures, edges, elements, seen)
        return results

    def _term_energies(
        self, inputs: Inputs, edges: Edges, far: Edges, results: Mapping[str, Tensor]
    ) -> Iterator[Tensor]:
        for term in self.terms:
            pairs = edges if term.cutoff <= self.representation.cutoff else far
            yield term(inputs.structures, pairs._replace(molecular=inputs.molecular), inputs.elements, results)

    def compute(self, inputs: Inputs, outputs: Sequence[str], create_graph: bool = False) -> dict[str, Tensor]:
        """The asked outputs; only tensor operations whose sizes follow from the inputs, so it can be traced."""
        variables = make_variables(inputs.structures, outputs, self._given)
        structures = variables.apply(inputs.structures)
        parts, moved = _edges(inputs, structures.positions), structures
        if variables.strain is not None:
            parts = [strain_edges(part, structures, variables.strain) for part in parts]
            moved = strain_structures(structures, variables.strain)
        results = self.predict(inputs._replace(structures=moved), parts[0], parts[-1])
        results |= differentiate(results, variables, structures, outputs, create_graph)
        return {name: results[name] for name in outputs}

    def forward(
        self,
        structures: Structures,
        neighbors: Neighbors,
        outputs: Sequence[str] = ("energy", "forces"),
        create_graph: bool = False,
    ) -> dict[str, Tensor]:
        """The asked quantities of a batch.

        Args:
            structures: The batch.
            neighbors: All its pairs within :attr:`cutoff`; more do no harm.
            outputs: Names out of :attr:`outputs`.
            create_graph: Keep the graph of the derivatives, as training needs.

        Raises:
            SpecificationError: An output that the model does not have, or the stress of a structure without a cell.
            DataError: An element that the model does not know.
        """
        self.check_outputs(outputs, structures)
        with torch.enable_grad() if create_graph or derivation(outputs, self._given) else torch.no_grad():
            return self.compute(self.prepare(structures, neighbors), outputs, create_graph)

    def check_outputs(self, outputs: Sequence[str], structures: Structures) -> None:
        """Refuse what the model cannot give."""
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise SpecificationError(
                f"the model does not give {', '.join(missing)}",
                remedy=f"ask for some of: {', '.join(sorted(self.outputs))}",
            )
        if "stress" in outputs and not bool(structures.pbc.all()):
            raise SpecificationError(
                "stress of a structure that is not periodic in three dimensions",
                remedy="ask for the virial, which needs no volume",
            )


def _representation(specification: ModelSpecification, species: Species, conditions: frozenset[str]) -> Any:
    """The representation, which takes in the conditions by itself or has them appended to what it gives."""
    given = specification.representation
    build = REPRESENTATIONS[given.name][1]
    if hasattr(given, "conditions"):
        return build(given, species, conditions)
    return Conditioned(build(given, species), conditions, species) if conditions else build(given, species)


def _edges(inputs: Inputs, positions: Tensor) -> list[Edges]:
    """Pairs of the representation and, where some reach farther, of the terms."""
    lists = [pairs for pairs in (inputs.near, inputs.far) if pairs is not None]
    return [edges_of(positions, pairs.translations, pairs.neighbors) for pairs in lists]


def _readout(output: str, specification: ModelSpecification, species: Species, channels: Sequence[int]) -> nn.Module:
    build: type[Any] = READOUTS[output]
    if output == "energy" and specification.charges_in_energy:
        channels = (channels[0] + 1, *channels[1:])
    sizes = (channels, species, specification.hidden, specification.blocks)
    if "charges" not in build.outputs:
        return build(*sizes)
    return build(*sizes, CHARGES[specification.charges.name][1](specification.charges, species))
