"""The registries list what a model can be made of: representations, outputs, sources of charges and physics terms.

Components of one's own are added in the same way, ``TERMS["mine"] = MySpecification``, before a model is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from ase.data import chemical_symbols
from pydantic import Field, field_validator, model_validator

from atnn.basis import Basis, require_basis
from atnn.errors import suggest
from atnn.functions import Activation
from atnn.functions.species import HEAVIEST
from atnn.parts import ChargesSpecification, Design, Part
from atnn.physics import (
    D3Specification,
    D4Specification,
    ElectrostaticsSpecification,
    EquilibrationSpecification,
    LatentElectrostaticsSpecification,
    ZBLSpecification,
)
from atnn.quantities import TRANSITION_DIPOLES
from atnn.readouts import (
    EnergyReadout,
    NetworkChargesSpecification,
    make_born_charges,
    make_charges,
    make_dipole,
    make_embedding_density,
    make_friction,
    make_hamiltonian,
    make_tensor,
    make_transition_dipole,
)
from atnn.representations import (
    ACSFSpecification,
    EANNSpecification,
    EquiREANNSpecification,
    GMPSpecification,
    NEATSpecification,
    NEMPSpecification,
    REANNSpecification,
    RepresentationSpecification,
    SpookyNetSpecification,
)
from atnn.specification import Names, Specification, Widths, chosen_from

REPRESENTATIONS: dict[str, type[RepresentationSpecification]] = {
    "acsf": ACSFSpecification,
    "eann": EANNSpecification,
    "gmp": GMPSpecification,
    "equireann": EquiREANNSpecification,
    "neat": NEATSpecification,
    "nemp": NEMPSpecification,
    "reann": REANNSpecification,
    "spookynet": SpookyNetSpecification,
}
# Name of an output -> function that builds the parts that give it, by name.
OUTPUTS: dict[str, Callable[[Design], dict[str, Part]]] = {
    "energy": lambda design: {"energy": EnergyReadout(design)},
    "dipole": make_dipole,
    "charges": make_charges,
    "polarizability": make_tensor("polarizability"),
    "atomic_dipoles": make_tensor("atomic_dipoles"),
    "born_charges": make_born_charges,
    "shieldings": make_tensor("shieldings"),
    **{name: make_transition_dipole(name) for name in TRANSITION_DIPOLES},
    "friction": make_friction,
    "embedding_density": make_embedding_density,
    "hamiltonian": make_hamiltonian,
}
# Specifications whose ``parts`` build the sources of charges, and the terms that are added to the energy.
CHARGES: dict[str, type[ChargesSpecification]] = {
    "network": NetworkChargesSpecification,
    "equilibration": EquilibrationSpecification,
}
TERMS: dict[str, type[Specification]] = {
    "zbl": ZBLSpecification,
    "d3": D3Specification,
    "d4": D4Specification,
    "electrostatics": ElectrostaticsSpecification,
    "latent_electrostatics": LatentElectrostaticsSpecification,
}

Representation = Annotated[Any, chosen_from(REPRESENTATIONS, "a representation")]
Charges = Annotated[Any, chosen_from(CHARGES, "a source of charges")]
Term = Annotated[Any, chosen_from(TERMS, "a physics term")]


class ModelSpecification(Specification):
    """Everything that defines a model except its weights. It is stored as JSON beside them."""

    elements: tuple[int, ...] = Field(min_length=1, description="atomic numbers that the model knows")
    representation: Representation = Field(description="the representation and its sizes")
    outputs: tuple[Annotated[str, Names(OUTPUTS)], ...] = Field(
        default=("energy",), min_length=1, description="what is learned"
    )
    charges: Charges = Field(
        default=NetworkChargesSpecification(), description="where charges come from, e.g. {name: equilibration}"
    )
    basis: Basis | None = Field(
        default=None, description="atomic orbitals of the hamiltonian: name, convention, shells"
    )
    charges_in_energy: bool = Field(
        default=False, description="whether the energy network reads the charges of the atoms"
    )
    terms: tuple[Term, ...] = Field(default=(), description="physics terms added to the energy, e.g. - {name: zbl}")
    conditions: tuple[Literal["charge", "spin", "field"], ...] | None = Field(
        default=None,
        description="charge, spin, field: what energies depend on; none: charge and spin with spookynet, else nothing",
    )
    networks: Literal["element", "shared"] = Field(
        default="element", description="one network per element, or one shared by all"
    )
    hidden: Widths = Field(
        default=(64, 64), min_length=1, description="widths of the layers in each residual block of the readouts"
    )
    blocks: int = Field(default=1, ge=1, le=8, description="number of residual blocks of the readouts")
    activation: Activation = Field(default="silu", description="activation of the readouts: silu, or a learned one")
    layer_norm: bool = Field(default=False, description="normalise the layers in the residual blocks of the readouts")

    @field_validator("elements")
    @classmethod
    def _real_elements(cls, elements: tuple[int, ...]) -> tuple[int, ...]:
        unknown = [z for z in elements if not 1 <= z < len(chemical_symbols)]
        if unknown:
            raise ValueError(f"not atomic numbers: {unknown}")
        return tuple(sorted(set(elements)))

    @field_validator("outputs")
    @classmethod
    def _known_outputs(cls, outputs: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in outputs if name not in OUTPUTS]
        if unknown:
            hints = "".join(suggest(name, OUTPUTS) for name in unknown)
            raise ValueError(f"no model learns {', '.join(unknown)}; {hints}known: {', '.join(sorted(OUTPUTS))}")
        return outputs

    @model_validator(mode="after")
    def _elements_have_shells(self) -> ModelSpecification:
        if self.networks == "shared" and max(self.elements, default=0) > HEAVIEST:
            raise ValueError(f"networks: shared knows elements up to Z = {HEAVIEST}; give networks: element")
        return self

    @model_validator(mode="after")
    def _hamiltonian_has_basis(self) -> ModelSpecification:
        if "hamiltonian" in self.outputs:
            require_basis(self.basis, self.elements).declare()
        return self

    @property
    def depends_on(self) -> frozenset[str]:
        """Names of :data:`atnn.stated.STATED` on which the representation depends; the field only by request."""
        if self.conditions is None:
            return frozenset(self.representation.conditions) - {"field"}
        return frozenset(self.conditions)

    def design(self, species: Any, channels: tuple[int, ...]) -> Design:
        """Collect what the parts are built for."""
        inputs = ("charges",) if self.charges_in_energy else ()
        form = self.activation, self.layer_norm
        return Design(species, channels, self.hidden, self.blocks, self.charges, inputs, self.basis, *form)
