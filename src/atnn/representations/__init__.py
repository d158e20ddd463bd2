"""Representations of atomic environments: one file per method."""

from atnn.representations.acsf import ACSF, ACSFSpecification
from atnn.representations.conditioned import Conditioned
from atnn.representations.directed import Directed
from atnn.representations.eann import EANN, EANNSpecification
from atnn.representations.electrons import ElectronicEmbedding
from atnn.representations.equireann import EquiREANN, EquiREANNSpecification
from atnn.representations.gmp import GMP, GMPSpecification
from atnn.representations.in_field import InField
from atnn.representations.neat import NEAT, NEATSpecification
from atnn.representations.nemp import NEMP, NEMPSpecification
from atnn.representations.reann import REANN, REANNSpecification
from atnn.representations.specification import RepresentationSpecification
from atnn.representations.spookynet import SpookyNet, SpookyNetSpecification

__all__ = [
    "ACSF",
    "EANN",
    "GMP",
    "NEAT",
    "NEMP",
    "REANN",
    "ACSFSpecification",
    "Conditioned",
    "Directed",
    "EANNSpecification",
    "ElectronicEmbedding",
    "EquiREANN",
    "EquiREANNSpecification",
    "GMPSpecification",
    "InField",
    "NEATSpecification",
    "NEMPSpecification",
    "REANNSpecification",
    "RepresentationSpecification",
    "SpookyNet",
    "SpookyNetSpecification",
]
