"""The table of a speed benchmark with one row for each representation."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from benchmarks import systems

from atnn.kernels import keep_memory
from atnn.model import REPRESENTATIONS

Row = dict[str, float]


def tabulate(
    description: str | None, head: Sequence[str], measure: Callable[[str], Row], cells: Callable[[Row], Sequence[str]]
) -> None:
    """Measure the representations that the command line names, one by one, and print a row of each.

    Args:
        description: Text of the help.
        head: Names of the columns after that of the representation.
        measure: Makes the numbers of a representation.
        cells: What a row shows of them.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(sorted(REPRESENTATIONS)), help="representations, by comma")
    parser.add_argument("--output", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    print(f"| representation | {' | '.join(head)} |\n|---|{'--:|' * len(head)}", flush=True)
    rows = {}
    for name in arguments.models.split(","):
        rows[name] = measure(name)
        print(f"| {name} | {' | '.join(cells(rows[name]))} |", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": systems.machine(), "models": rows}, indent=1))
