"""The standard systems of every speed table, and where reference data are."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, fcc111, molecule
from ase.io import read

ROOT = Path(__file__).resolve().parents[1]
WATER_SPACING = 3.105  # Angstrom: 1 g/cm^3


def data(*parts: str) -> Path:
    """A file of the reference data; ``ATNN_DATA`` says where they are, ``../shared/data`` otherwise."""
    path = Path(os.environ.get("ATNN_DATA", ROOT.parent / "shared" / "data")).joinpath(*parts)
    if not path.exists():
        sys.exit(f"{path} does not exist: set ATNN_DATA to the folder of the reference data")
    return path


def molecules() -> list[Atoms]:
    """32 frames of the 27-atom molecule 3BPA."""
    return read(data("3bpa", "train_300K.xyz.gz"), ":32")


def waters(n: int, seed: int = 0) -> Atoms:
    """``n**3`` randomly oriented waters on a jittered grid."""
    rng, water = np.random.default_rng(seed), molecule("H2O")
    centered = water.positions - water.positions.mean(0)
    positions = []
    for site in np.ndindex(n, n, n):
        rotation, r = np.linalg.qr(rng.normal(size=(3, 3)))
        rotation = rotation * np.sign(np.diag(r))
        positions.append(
            centered @ rotation.T + (np.array(site) + 0.5) * WATER_SPACING + rng.normal(scale=0.15, size=3)
        )
    return Atoms(np.tile(water.numbers, n**3), np.concatenate(positions), cell=[n * WATER_SPACING] * 3, pbc=True)


def slab() -> Atoms:
    """Cu(111) 4x4x4 with methanol, 70 atoms, periodic."""
    atoms = fcc111("Cu", (4, 4, 4), vacuum=7.5)
    add_adsorbate(atoms, molecule("CH3OH"), height=2.2, position="ontop", mol_index=1)
    atoms.pbc = True
    atoms.rattle(0.05, seed=1)
    return atoms


def systems() -> dict[str, list[Atoms]]:
    """Name -> structures that are evaluated at once."""
    frames = molecules()
    return {
        "mol27": frames[:1],
        "mol27x32": frames,
        "water192": [waters(4)],
        "water1536": [waters(8)],
        "slab70": [slab()],
    }


def machine() -> str:
    """Processor, versions and load, for the head of a table."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = "AVX512" if any("avx512f" in line for line in lines) else "no AVX512"
    load = os.getloadavg()[0]
    return (
        f"{model} ({flags}), {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}, "
        f"load {load:.1f}"
    )
