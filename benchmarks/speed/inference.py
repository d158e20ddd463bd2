"""Speed of every representation on one core, float32, energy and forces; with --peers NEP and MACE in the same run.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.inference [--peers]

Writes benchmarks/speed.json and prints a table. Weights are random: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import torch
from benchmarks import systems
from benchmarks.timing import Moves, seconds

from atnn.interfaces.ase import Calculator
from atnn.kernels import keep_memory
from atnn.model import Model, ModelPotential, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.model.presets import PRESETS
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

OURS: dict[str, dict[str, Any]] = {
    "ACSF 5 A": {"representation": {"name": "acsf", "cutoff": 5.0}},
    "GMP 5 A": {"representation": {"name": "gmp", "cutoff": 5.0}},
    "EANN 5 A": {"representation": {"name": "eann", "cutoff": 5.0}},
    "EANN 6 A": {"representation": {"name": "eann", "cutoff": 6.0}},
    "REANN T=3, 5 A": {"representation": {"name": "reann", "cutoff": 5.0}},
    "EquiREANN T=3, 5 A": {"representation": {"name": "equireann", "cutoff": 5.0}},
    "NEMP K=16, 2 rounds, 5 A": {
        "representation": {"name": "nemp", "cutoff": 5.0, "radial": 8, "rounds": 2, "hidden": (32,)}
    },
    "preset fast": PRESETS["fast"],
    "preset accurate": PRESETS["accurate"],
}
OUTPUTS = ("energy", "forces")
PEERS = {"NEP4 5/4 A": "nep.py", "MACE 32x0e, 5 A": "mace_lite.py"}


def ours(name: str, specification: dict) -> list[dict]:
    """All paths of one of our models on all systems."""
    rows = []
    model = Model(ModelSpecification(elements=(1, 6, 7, 8, 29), **specification)).float().eval()
    model.requires_grad_(False)
    graph = CompiledModel(model)
    for system, frames in systems.systems().items():
        structures = Structures.from_ase(frames).to(dtype=torch.float32)
        inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
        potentials = {"list each call": ModelPotential(model, skin=0.0, compile=True)}
        potentials["list each call"]._compiled = graph
        paths = {
            "eager": lambda m=model, i=inputs: m.compute(i, OUTPUTS),
            "compiled": lambda g=graph, i=inputs: g(i, OUTPUTS),
            "compiled, list each call": lambda p=potentials["list each call"], s=structures: p(s, OUTPUTS),
        }
        if len(frames) == 1:
            calculator = Calculator(model, compile=True)
            calculator.potential._compiled = graph
            paths["ASE calculator"] = Moves(frames[0], calculator)
        for path, call in paths.items():
            rows.append(row(name, path, system, sum(map(len, frames)), seconds(call)))
    return rows


def peer(name: str, script: str) -> list[dict]:
    """A peer, in its own environment on the same core."""
    folder = Path(__file__).parent / "peers"
    python = systems.ROOT / ".peers" / "bin" / "python"
    if not python.exists():
        raise SystemExit("peers are not installed: bash benchmarks/speed/peers/install.sh")
    found = subprocess.run([python, folder / script], capture_output=True, text=True)
    if found.returncode:
        print(f"{name} failed: {found.stderr[-500:]}")
        return []
    return [row(name, path, s, n, times) for path, s, n, times in json.loads(found.stdout.splitlines()[-1])]


def row(model: str, path: str, system: str, atoms: int, times: tuple[float, float, float]) -> dict:
    """One line of the table."""
    median, low, high = times
    result = {"model": model, "path": path, "system": system, "atoms": atoms, "ms": 1e3 * median}
    result |= {"us_per_atom": 1e6 * median / atoms, "ms_min": 1e3 * low, "ms_max": 1e3 * high}
    print(
        f"{model:22s} {path:26s} {system:10s} {result['ms']:9.3f} ms {result['us_per_atom']:8.1f} us/atom", flush=True
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="time NEP and MACE in the same run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    rows = [r for name, specification in OURS.items() for r in ours(name, specification)]
    if arguments.peers:
        rows += [r for name, script in PEERS.items() for r in peer(name, script)]
    Path(__file__).with_name("inference.json").write_text(
        json.dumps({"machine": systems.machine(), "rows": rows}, indent=1)
    )
    print("\n" + table(rows))


def table(rows: list[dict]) -> str:
    """Markdown: microseconds per atom, for the single molecule milliseconds per call."""
    names = list(systems.systems())
    lines = ["| model | path | mol27, ms/call | " + " | ".join(f"{n}, us/atom" for n in names[1:]) + " |"]
    lines.append("|---|---|" + "--:|" * len(names))
    for model, path in dict.fromkeys((r["model"], r["path"]) for r in rows):
        cells = []
        for name in names:
            found = [r for r in rows if (r["model"], r["path"], r["system"]) == (model, path, name)]
            key = "ms" if name == "mol27" else "us_per_atom"
            cells.append((f"{found[0][key]:.2f}" if name == "mol27" else f"{found[0][key]:.1f}") if found else "-")
        lines.append(f"| {model} | {path} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
