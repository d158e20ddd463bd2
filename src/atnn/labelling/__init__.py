"""Reference calculations: labellers, the resumable label store, and the sampling of geometries to label."""

from atnn.labelling.execution import Failure, LabellingResult, label
from atnn.labelling.potential import LabellerPotential
from atnn.labelling.protocol import Labeller
from atnn.labelling.pyscf import PyscfLabeller
from atnn.labelling.sampling import relax, sample_geometries
from atnn.labelling.tblite import TbliteLabeller

__all__ = [
    "Failure",
    "Labeller",
    "LabellerPotential",
    "LabellingResult",
    "PyscfLabeller",
    "TbliteLabeller",
    "label",
    "relax",
    "sample_geometries",
]
