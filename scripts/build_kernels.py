"""Build the kernels that come with the wheel, for the installed PyTorch; ``make wheel`` calls this."""

from __future__ import annotations

import time

from atnn.kernels.build import build, find_compiler
from atnn.kernels.prebuilt import ARCHITECTURES, FOLDER, name_library


def build_prebuilt() -> None:
    """Build the libraries that are missing, and remove those of other sources and releases of PyTorch.

    Raises:
        SystemExit: There is no compiler.
    """
    compiler = find_compiler()
    if compiler is None:
        raise SystemExit("no C++ compiler found: install g++")
    FOLDER.mkdir(exist_ok=True)
    wanted = {name_library(capability): flags for capability, flags in ARCHITECTURES.items()}
    for old in set(FOLDER.glob("*.so")) - set(wanted):
        old.unlink()
    for library, flags in wanted.items():
        start = time.perf_counter()
        if not library.exists():
            build(compiler, library, flags)
        print(f"{library.name}: {library.stat().st_size / 1e6:.2f} MB, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    build_prebuilt()
