"""Kernels that come with the wheel, for users without a compiler: one library for each set of instructions.

``scripts/build_kernels.py`` builds them for the installed PyTorch, before the wheel is packed. A library holds for one
release of PyTorch, whose C++ interface it uses, and for the sources it was built from; its name tells both.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import torch

from atnn.kernels.build import digest_sources

FOLDER = Path(__file__).parent / "prebuilt"
# By the name that PyTorch gives to what it uses of this processor; the flags ask for no more than it has found there.
ARCHITECTURES = {
    "DEFAULT": ("-march=x86-64",),
    "AVX2": ("-march=x86-64", "-mavx2", "-mfma"),
    "AVX512": ("-march=x86-64", "-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
}


def find_prebuilt() -> Path | None:
    """Return the library for this processor, PyTorch and these sources, or None."""
    library = name_library(torch.backends.cpu.get_cpu_capability())
    return library if library.exists() else None


def name_library(capability: str) -> Path:
    """Return the path of the library for a set of instructions."""
    machine, version = f"{sys.platform}-{platform.machine()}", torch.__version__.partition("+")[0]
    return FOLDER / f"kernels-{machine}-{capability.lower()}-torch{version}-{digest_sources()}.so"
