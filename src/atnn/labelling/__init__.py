"""Reference calculations: labellers, the resumable label store, and labellers driven as potentials."""

from atnn.labelling.execution import Failure, LabellingResult, label
from atnn.labelling.models import ModelLabeller
from atnn.labelling.orbitals import compute_overlap, find_basis
from atnn.labelling.potential import LabellerPotential
from atnn.labelling.protocol import Labeller
from atnn.labelling.pyscf import PyscfLabeller
from atnn.labelling.registry import LABELLERS, find_labeller
from atnn.labelling.tblite import TbliteLabeller

__all__ = [
    "LABELLERS",
    "Failure",
    "Labeller",
    "LabellerPotential",
    "LabellingResult",
    "ModelLabeller",
    "PyscfLabeller",
    "TbliteLabeller",
    "compute_overlap",
    "find_basis",
    "find_labeller",
    "label",
]
