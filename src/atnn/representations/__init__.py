"""Representations of atomic environments: one file per method."""

from atnn.representations.eann import EANN, EANNSpecification
from atnn.representations.reann import REANN, REANNSpecification

__all__ = ["EANN", "REANN", "EANNSpecification", "REANNSpecification"]
