"""Compilation of the CPU kernels with the compiler of the machine."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from atnn.locks import hold

logger = logging.getLogger("atnn")
SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
NATIVE = ("-march=native",)
# No -ffast-math: a shared library linked with it makes the whole process flush denormal numbers to zero.
FLAGS = (
    "-O3",
    "-mprefer-vector-width=512",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-Wno-ignored-attributes",
    "-fno-trapping-math",
    "-std=c++20",
    "-fPIC",
    "-fopenmp",
)


def find_compiler() -> tuple[str, ...] | None:
    """Return the command of the C++ compiler: ``CXX`` if that is set, else ``g++`` or ``clang++``."""
    command = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    return tuple(shlex.split(command)) if command else None


def digest_sources(*more: str) -> str:
    """Return a hash of the sources, the flags and further texts."""
    texts = [path.read_text() for path in [*SOURCES, *HEADERS]]
    return hashlib.sha256("\n".join([*texts, *FLAGS, *more]).encode()).hexdigest()[:16]


def find_or_build(compiler: Sequence[str]) -> Path:
    """Return the kernels for this processor, compiler and PyTorch from the cache, where they are built at first use.

    Raises:
        OSError: The compiler cannot be run, or the cache cannot be written.
        subprocess.CalledProcessError: The compiler fails.
    """
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True).stdout
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    cache = Path(os.environ.get("ATNN_CACHE", Path.home() / ".cache" / "atnn"))
    cache.mkdir(parents=True, exist_ok=True)
    library = cache / f"kernels-{digest_sources(torch.__version__, version, flags, *NATIVE)}.so"
    if not library.exists():
        with hold(cache / "kernels", "the build of the kernels", wait=True):
            if not library.exists():  # another process has not built it while this one waited
                _build_with_progress(compiler, library)
    return library


def build(compiler: Sequence[str], library: Path, architecture: Sequence[str]) -> None:
    """Build the kernels into a library.

    Args:
        compiler: Command of the compiler.
        library: The file to write; whoever loads it meanwhile never sees half of it.
        architecture: Flags that choose the instructions.

    Raises:
        OSError: The compiler cannot be run.
        subprocess.CalledProcessError: The compiler fails.
    """
    include, lib = (Path(torch.__file__).parent / name for name in ("include", "lib"))
    includes = [f"-I{include}", f"-I{include / 'torch/csrc/api/include'}"]
    options = [*FLAGS, *architecture, f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}", *includes]
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as folder:
        objects = [str(Path(folder) / f"{source.stem}.o") for source in SOURCES]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            commands = [[*compiler, *options, "-c", str(s), "-o", o] for s, o in zip(SOURCES, objects, strict=True)]
            list(pool.map(_run, commands))
        # OpenMP is not linked here: its functions come from the one library that PyTorch brings.
        whole = str(Path(folder) / library.name)
        _run([*compiler, "-shared", "-s", *objects, f"-L{lib}", "-lc10", "-ltorch_cpu", "-o", whole])
        os.replace(whole, library)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)


def _build_with_progress(compiler: Sequence[str], library: Path) -> None:
    logger.info("building the kernels for this processor with %s, once: half a minute or more", compiler[0])
    start = time.perf_counter()
    build(compiler, library, NATIVE)
    logger.info("built the kernels in %.0f s (%s)", time.perf_counter() - start, library)
