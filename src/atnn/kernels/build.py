"""Compilation of the CPU kernels, once per machine and PyTorch version, and loading of the library."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import torch

from atnn.errors import AtnnWarning

SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
# No -ffast-math: a shared library linked with it makes the whole process flush denormal numbers to zero.
FLAGS = (
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-Wno-ignored-attributes",
    "-fno-trapping-math",
    "-std=c++20",
    "-shared",
    "-fPIC",
)


@functools.cache
def load_kernels() -> bool:
    """Build and load the CPU kernels at the first call; return whether they are available.

    Without a C++ compiler the plain PyTorch references run instead, and a warning says so once. The
    environment variable ``ATNN_KERNELS=reference`` selects the references.
    """
    if os.environ.get("ATNN_KERNELS") == "reference":
        return False
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        _warn("no C++ compiler found")
        return False
    try:
        torch.ops.load_library(str(_library(compiler)))
    except (OSError, subprocess.CalledProcessError) as error:
        _warn(f"{error}\n{getattr(error, 'stderr', '') or ''}"[:2000])
        return False
    return True


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


def _warn(reason: str) -> None:
    warnings.warn(
        f"the fused CPU kernels could not be built, so the slower PyTorch versions run instead: {reason}",
        AtnnWarning,
        stacklevel=4,
    )


def _library(compiler: str) -> Path:
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    cpu = Path("/proc/cpuinfo")
    flags = (
        next((line for line in cpu.read_text().splitlines() if line.startswith("flags")), "") if cpu.exists() else ""
    )
    texts = [path.read_text() for path in [*SOURCES, *HEADERS]]
    identity = "\n".join([*texts, torch.__version__, version, flags, *FLAGS])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("ATNN_CACHE", Path.home() / ".cache" / "atnn"))
    cache.mkdir(parents=True, exist_ok=True)
    library = cache / f"kernels-{digest}.so"
    if not library.exists():
        _build(compiler, library)
    return library


def _build(compiler: str, library: Path) -> None:
    include, lib = (Path(torch.__file__).parent / name for name in ("include", "lib"))
    # The library is built under a temporary name and then renamed: a second process never loads half a file.
    handle, temporary = tempfile.mkstemp(suffix=".so", dir=library.parent)
    os.close(handle)
    abi = int(torch.compiled_with_cxx11_abi())
    command = [
        compiler,
        *FLAGS,
        f"-D_GLIBCXX_USE_CXX11_ABI={abi}",
        "-fopenmp",
        f"-I{include}",
        f"-I{include / 'torch/csrc/api/include'}",
        *map(str, SOURCES),
        f"-L{lib}",
        "-lc10",
        "-ltorch_cpu",
        "-o",
        temporary,
    ]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
        os.replace(temporary, library)
    finally:
        Path(temporary).unlink(missing_ok=True)
