"""One file per format. :data:`FORMATS` lists them in the order in which a path is offered to them."""

from atnn.reading.readers.ase import ASE
from atnn.reading.readers.deepmd import DEEPMD
from atnn.reading.readers.extxyz import EXTXYZ
from atnn.reading.readers.npz import NPZ
from atnn.reading.readers.ocp import LMDB, OCP
from atnn.reading.readers.qm7x import QM7X
from atnn.reading.readers.qm9 import QM9
from atnn.reading.readers.reann import FIREANN, FIREANN_REVERSED, REANN, REANN_FRACTIONAL
from atnn.reading.readers.runner import RUNNER
from atnn.reading.readers.schnetpack import SCHNETPACK

# The first that recognises a path reads it; ASE, which takes everything, is the last.
FORMATS = [
    DEEPMD, QM9, OCP, EXTXYZ, NPZ, RUNNER, REANN, REANN_FRACTIONAL, FIREANN, FIREANN_REVERSED, QM7X, SCHNETPACK, LMDB,
    ASE,
]  # fmt: skip
