"""All tables of RESULTS.md, one after the other: ``make bench`` (hours; peers need peers/install.sh first).

python benchmarks/run.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
COMMANDS = (
    ("import_time.py",),
    ("speed.py", "--peers"),
    ("training_speed.py",),
    ("store_speed.py",),
    ("scaling.py",),
    ("accuracy.py", "--minutes", "1"),
    ("accuracy_3bpa.py",),
    ("ablations.py",),
    ("cumulenes.py",),
    ("unseen_element.py",),
    ("terms.py",),
    ("limits.py",),
    ("singlet_triplet.py",),
    ("charge_transfer_sets.py", "--frames", "2000"),
    ("charge_transfer.py", "--minutes", "1", "--frames", "2000"),
    ("charge_transfer.py", "--minutes", "6", "--frames", "2000", "--models", "SpookyNet", "REANN", "EANN, local"),
    ("published_ions.py",),
)

if __name__ == "__main__":
    for script, *options in COMMANDS:
        print(f"\n=== {script}", flush=True)
        subprocess.run(["taskset", "-c", "0", sys.executable, str(FOLDER / script), *options], check=True)
