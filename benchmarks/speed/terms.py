"""What physics terms cost: SpookyNet with and without them, and electrostatics as the system grows.

    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.speed.terms

Energy and forces of water (and of a molecule of 27 atoms), compiled, float32, pairs given. The cost of a term is the
difference of two models in one run; the bare model is EANN with few channels, so that the term dominates.
"""

from __future__ import annotations

import argparse

import torch
from ase import Atoms
from benchmarks import systems
from benchmarks.timing import seconds

from atnn.kernels import keep_memory
from atnn.model import Model, ModelSpecification
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures

SPOOKYNET = {"name": "spookynet", "cutoff": 5.0, "channels": 64, "rounds": 3}
BARE = {"name": "eann", "cutoff": 5.0, "channels": 4}
CHARGES, ELECTROSTATICS = ("energy", "charges"), {"name": "electrostatics"}
D4 = {"name": "d4", "functional": "pbe"}
EDGES = (4, 8, 16, 25)  # waters along the edge of the box
MODELS = {
    "SpookyNet": {"representation": SPOOKYNET, "outputs": CHARGES},
    "SpookyNet + electrostatics": {"representation": SPOOKYNET, "outputs": CHARGES, "terms": (ELECTROSTATICS,)},
    "SpookyNet + electrostatics + D4": {
        "representation": SPOOKYNET,
        "outputs": CHARGES,
        "terms": (ELECTROSTATICS, D4),
    },
    "SpookyNet + D3": {"representation": SPOOKYNET, "terms": ({"name": "d3", "functional": "pbe"},)},
    "SpookyNet, equilibrated charges + electrostatics": {
        "representation": SPOOKYNET,
        "outputs": CHARGES,
        "charges": {"name": "equilibration"},
        "terms": (ELECTROSTATICS,),
    },
}
GROWING = {
    "electrostatics of charges": {"representation": BARE, "outputs": CHARGES, "terms": (ELECTROSTATICS,)},
    "electrostatics of charges and dipoles": {
        "representation": BARE,
        "outputs": ("energy", "dipole"),
        "terms": (ELECTROSTATICS | {"dipoles": True},),
    },
}


def milliseconds(frames: list[Atoms], model: dict) -> float:
    """Median of a call."""
    network = Model(ModelSpecification(elements=(1, 6, 7, 8), **model)).float().requires_grad_(False)
    graph, structures = CompiledModel(network), Structures.from_ase(frames).to(dtype=network.dtype)
    inputs = network.prepare(structures, neighbor_pairs(structures, network.cutoff))
    return 1e3 * seconds(lambda: graph(inputs, ("energy", "forces")), repeats=5)[0]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(systems.machine())
    print("| model | 27 atoms, ms | 64 waters, us/atom |\n|---|--:|--:|")
    for name, model in MODELS.items():
        small, large = milliseconds(systems.molecules()[:1], model), milliseconds([systems.waters(4)], model)
        print(f"| {name} | {small:.2f} | {1e3 * large / 192:.0f} |", flush=True)
    print("\n| atoms | " + " | ".join(f"{name}, us/atom" for name in GROWING) + " |\n|--:|" + "--:|" * len(GROWING))
    for edge in EDGES:
        frames, cells = [systems.waters(edge)], []
        for model in GROWING.values():
            bare = {key: value for key, value in model.items() if key != "terms"}
            both = [milliseconds(frames, m) for m in (bare, model)]
            cells.append(f"{1e3 * (both[1] - both[0]) / (3 * edge**3):.1f}")
        print(f"| {3 * edge**3} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
