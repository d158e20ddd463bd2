"""One file per format; :data:`FORMATS` in the order in which a path is offered to them."""

from atnn.data.readers.ase import ASE
from atnn.data.readers.deepmd import DEEPMD
from atnn.data.readers.extxyz import EXTXYZ
from atnn.data.readers.npz import NPZ
from atnn.data.readers.reann import FIREANN, FIREANN_REVERSED, REANN, REANN_FRACTIONAL
from atnn.data.readers.runner import RUNNER

FORMATS = (DEEPMD, EXTXYZ, NPZ, RUNNER, REANN, REANN_FRACTIONAL, FIREANN, FIREANN_REVERSED, ASE)
