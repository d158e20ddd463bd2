"""What a model can be made of: one line per representation, readout and term."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ase.data import chemical_symbols
from pydantic import Field, field_validator, model_validator

from atnn.functions.species import HEAVIEST
from atnn.physics import (
    D3,
    D4,
    ZBL,
    D3Specification,
    D4Specification,
    Electrostatics,
    ElectrostaticsSpecification,
    Equilibration,
    EquilibrationSpecification,
    LatentElectrostatics,
    LatentElectrostaticsSpecification,
    ZBLSpecification,
)
from atnn.readouts import ChargesReadout, DipoleReadout, EnergyReadout, NetworkCharges, NetworkChargesSpecification
from atnn.representations import (
    ACSF,
    EANN,
    GMP,
    NEAT,
    NEMP,
    REANN,
    ACSFSpecification,
    EANNSpecification,
    EquiREANN,
    EquiREANNSpecification,
    GMPSpecification,
    NEATSpecification,
    NEMPSpecification,
    REANNSpecification,
    SpookyNet,
    SpookyNetSpecification,
)
from atnn.specification import Specification

REPRESENTATIONS = {
    "acsf": (ACSFSpecification, ACSF),
    "eann": (EANNSpecification, EANN),
    "gmp": (GMPSpecification, GMP),
    "equireann": (EquiREANNSpecification, EquiREANN),
    "neat": (NEATSpecification, NEAT),
    "nemp": (NEMPSpecification, NEMP),
    "reann": (REANNSpecification, REANN),
    "spookynet": (SpookyNetSpecification, SpookyNet),
}
READOUTS: dict[str, type[EnergyReadout] | type[DipoleReadout] | type[ChargesReadout]] = {
    "energy": EnergyReadout,
    "dipole": DipoleReadout,
    "charges": ChargesReadout,
}
CHARGES: dict[str, tuple[type[Specification], type[Any]]] = {
    "network": (NetworkChargesSpecification, NetworkCharges),
    "equilibration": (EquilibrationSpecification, Equilibration),
}
TERMS: dict[str, tuple[type[Specification], type[Any]]] = {
    "zbl": (ZBLSpecification, ZBL),
    "d3": (D3Specification, D3),
    "d4": (D4Specification, D4),
    "electrostatics": (ElectrostaticsSpecification, Electrostatics),
    "latent_electrostatics": (LatentElectrostaticsSpecification, LatentElectrostatics),
}

RepresentationSpecification = Annotated[
    ACSFSpecification
    | EANNSpecification
    | EquiREANNSpecification
    | GMPSpecification
    | NEATSpecification
    | NEMPSpecification
    | REANNSpecification
    | SpookyNetSpecification,
    Field(discriminator="name"),
]

TermSpecification = Annotated[
    ZBLSpecification
    | D3Specification
    | D4Specification
    | ElectrostaticsSpecification
    | LatentElectrostaticsSpecification,
    Field(discriminator="name"),
]
ChargesSpecification = Annotated[NetworkChargesSpecification | EquilibrationSpecification, Field(discriminator="name")]
Output = Literal["energy", "dipole", "charges"]
Condition = Literal["charge", "spin"]


class ModelSpecification(Specification):
    """Everything that defines a model but its weights; stored as JSON beside them."""

    elements: tuple[int, ...] = Field(min_length=1, description="atomic numbers that the model knows")
    representation: RepresentationSpecification = Field(description="the representation and its sizes")
    outputs: tuple[Output, ...] = Field(("energy",), min_length=1, description="what is learned")
    charges: ChargesSpecification = Field(
        NetworkChargesSpecification(), description="where charges come from: network, or equilibration"
    )
    charges_in_energy: bool = Field(False, description="the network of the energy sees the charges of its atoms")
    terms: tuple[TermSpecification, ...] = Field((), description="physics terms added to the learned energy")
    conditions: tuple[Condition, ...] | None = Field(
        None, description="numbers of the electrons to depend on; none: charge and spin with spookynet, else neither"
    )
    networks: Literal["element", "shared"] = Field("element", description="a network per element, or one for all")
    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="readout layer widths in a residual block")
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of the readouts")

    @field_validator("elements")
    @classmethod
    def _real_elements(cls, elements: tuple[int, ...]) -> tuple[int, ...]:
        unknown = [z for z in elements if not 1 <= z < len(chemical_symbols)]
        if unknown:
            raise ValueError(f"not atomic numbers: {unknown}")
        return tuple(sorted(set(elements)))

    @model_validator(mode="after")
    def _parts_fit(self) -> ModelSpecification:
        if "dipole" in self.outputs and self.representation.degree < 1:
            raise ValueError("a dipole needs a representation of degree 1 or more")
        if self.networks == "shared" and max(self.elements) > HEAVIEST:
            raise ValueError(f"networks: shared knows elements up to Z = {HEAVIEST}; give networks: element")
        if self.terms and "energy" not in self.outputs:
            raise ValueError("terms are energies: outputs must contain energy")
        if [term.name for term in self.terms].count("latent_electrostatics") > 1:
            raise ValueError("latent_electrostatics is given twice: give it more channels")
        given = [name for output in self.outputs for name in READOUTS[output].outputs]
        if len(given) > len(set(given)):
            raise ValueError("charges come with the dipole: give dipole or charges in outputs, not both")
        if self.charges.name != "network" and "charges" not in given:
            raise ValueError(f"{self.charges.name} gives charges: add charges or dipole to outputs")
        if self.charges_in_energy and not {"energy", "charges"} <= set(given):
            raise ValueError("charges_in_energy needs energy, and charges or dipole, in outputs")
        for term in self.terms:
            missing = set(term.inputs) - set(given)
            if missing:
                sources = [output for output, readout in READOUTS.items() if missing <= set(readout.outputs)]
                raise ValueError(
                    f"{term.name} needs {', '.join(sorted(missing))}: add {' or '.join(sorted(sources))} to outputs"
                )
        return self
