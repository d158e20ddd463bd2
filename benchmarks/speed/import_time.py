"""Wall time of ``atnn --help`` and of ``import atnn``, medians of ten.

python -m benchmarks.speed.import_time
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path


def median(command: list[str]) -> float:
    """Median seconds of ten runs after one that fills the caches."""
    times = []
    for _ in range(11):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    print(f"atnn --help   {median([str(Path(sys.executable).with_name('atnn')), '--help']):.2f} s")
    print(f"import atnn   {median([sys.executable, '-c', 'import atnn']):.2f} s")
