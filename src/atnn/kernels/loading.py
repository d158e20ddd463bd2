"""Loading of the CPU kernels: those of the wheel, else those built on this machine, else none."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import subprocess
import warnings

import torch

from atnn.errors import AtnnWarning
from atnn.kernels.build import find_compiler, find_or_build
from atnn.kernels.prebuilt import find_prebuilt

logger = logging.getLogger("atnn")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


@functools.cache
def load_kernels() -> bool:
    """Load the CPU kernels at the first call; return whether they are available.

    Kernels from the wheel are used where they fit the processor and PyTorch. Others are built once, with the C++
    compiler of the machine. Without one the plain PyTorch references run instead, and a warning says so once. The
    environment variable ``ATNN_KERNELS=reference`` selects the references.
    """
    if os.environ.get("ATNN_KERNELS") == "reference":
        return False
    return _load_prebuilt() or _load_built()


def keep_memory() -> None:
    """Let the C library keep freed memory for the next step instead of returning it to the system.

    Fresh pages cost about as much as the arithmetic on them. With this, large systems run up to 1.5 times faster and
    the cost per atom stays flat. The setting affects the whole process, so a library should not call it. The command
    line does, and a script that computes large systems may.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _load_prebuilt() -> bool:
    library = find_prebuilt()
    if library is None:
        return False
    try:
        torch.ops.load_library(str(library))
    except OSError as error:  # another C library or build of PyTorch than that of the wheel
        logger.info("the kernels of the wheel do not load here: %s", error)
        return False
    return True


def _load_built() -> bool:
    compiler = find_compiler()
    if compiler is None:
        _warn("no C++ compiler found")
        return False
    try:
        torch.ops.load_library(str(find_or_build(compiler)))
    except (OSError, subprocess.CalledProcessError) as error:
        _warn(f"{error}\n{getattr(error, 'stderr', '') or ''}"[:2000].strip())
        return False
    return True


def _warn(reason: str) -> None:
    warnings.warn(
        "the fused CPU kernels could not be built, so the slower PyTorch versions run instead: "
        f"{reason}\n-> install a C++ compiler (apt install g++, or conda install gxx), or name one by CXX; a wheel of "
        f"atnn for PyTorch {torch.__version__} brings the kernels along",
        AtnnWarning,
        stacklevel=4,
    )
