"""All tables of RESULTS.md, one after the other: ``make bench`` (hours; peers need speed/peers/install.sh first).

python -m benchmarks.run
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = (
    ("speed.import_time",),
    ("speed.inference", "--peers"),
    ("speed.training",),
    ("speed.store",),
    ("speed.scaling",),
    ("science.accuracy", "--minutes", "1"),
    ("science.accuracy_3bpa",),
    ("science.ablations",),
    ("science.cumulenes",),
    ("science.unseen_element",),
    ("speed.terms",),
    ("speed.fields",),
    ("speed.readouts",),
    ("science.field", "--epochs", "60", "--models", "EANN"),
    ("science.properties", "--models", "reann"),
    ("science.properties", "--models", "neat", "--rows", "planar formaldehyde", "bent water"),
    ("science.friction", "--models", "eann"),
    ("science.friction", "--models", "neat", "--choices", "reach"),
    ("science.hessian", "--rows", "isomers", "--models", "reann"),
    ("science.hamiltonian", "water", "--epochs", "120"),
    ("science.water_spectra",),
    ("science.demo",),
    ("science.limits",),
    ("science.singlet_triplet",),
    ("science.charge_transfer_sets", "--frames", "2000"),
    ("science.charge_transfer", "--minutes", "1", "--frames", "2000"),
    ("science.charge_transfer", "--minutes", "6", "--frames", "2000", "--models", "SpookyNet", "REANN", "EANN, local"),
    ("science.published_ions",),
)

if __name__ == "__main__":
    for module, *options in COMMANDS:
        print(f"\n=== {module}", flush=True)
        command = ["taskset", "-c", "0", sys.executable, "-m", f"benchmarks.{module}", *options]
        subprocess.run(command, check=True, cwd=ROOT)
