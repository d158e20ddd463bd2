"""Representations of atomic environments: one file per method."""

from atnn.representations.acsf import ACSF, ACSFSpecification
from atnn.representations.eann import EANN, EANNSpecification
from atnn.representations.nemp import NEMP, NEMPSpecification
from atnn.representations.reann import REANN, REANNSpecification

__all__ = [
    "ACSF",
    "EANN",
    "NEMP",
    "REANN",
    "ACSFSpecification",
    "EANNSpecification",
    "NEMPSpecification",
    "REANNSpecification",
]
