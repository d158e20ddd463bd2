"""NEP4 on the CPU through calorine, random parameters; prints [path, system, atoms, [median, min, max]] as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.systems import systems
from benchmarks.timing import Moves, seconds
from calorine.calculators import CPUNEP

ELEMENTS = ("H", "C", "N", "O", "Cu")
RADIAL, ANGULAR, NEURONS = 5.0, 4.0, 30  # Angstrom, Angstrom
N_MAX, BASIS, L_MAX = (4, 4), (8, 8), (4, 2, 0)


def random_potential() -> str:
    """A potential file of the format NEP4 with normally distributed parameters."""
    rng, types = np.random.default_rng(0), len(ELEMENTS)
    features = (N_MAX[0] + 1) + (N_MAX[1] + 1) * (L_MAX[0] + (L_MAX[1] > 0) + (L_MAX[2] > 0))
    network = types * (features + 2) * NEURONS + 1
    descriptors = types**2 * sum((n + 1) * (b + 1) for n, b in zip(N_MAX, BASIS, strict=True))
    lines = [
        f"nep4 {types} {' '.join(ELEMENTS)}",
        f"cutoff {RADIAL} {ANGULAR} 400 400",
        f"n_max {N_MAX[0]} {N_MAX[1]}",
        f"basis_size {BASIS[0]} {BASIS[1]}",
        f"l_max {' '.join(map(str, L_MAX))}",
        f"ANN {NEURONS} 0",
        *(f"{value:.7e}" for value in rng.normal(scale=0.3, size=network + descriptors)),
        *("1.0e-1" for _ in range(features)),
    ]
    path = Path(tempfile.mkdtemp()) / "nep.txt"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


results = []
for name, frames in systems().items():
    if len(frames) > 1:
        continue
    atoms = frames[0].copy()
    atoms.calc = None
    if not atoms.pbc.any():
        atoms.cell = [50.0] * 3
    times = seconds(Moves(atoms, CPUNEP(random_potential())), repeats=5)
    results.append(["ASE calculator, list included", name, len(atoms), times])
print(json.dumps(results))
