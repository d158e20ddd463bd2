"""One file per format; :data:`FORMATS` in the order in which a path is offered to them."""

from atnn.data.readers.extxyz import EXTXYZ

FORMATS = (EXTXYZ,)
