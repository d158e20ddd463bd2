"""Hessians as labels: what is learned from energies, forces and Hessians, and what from energies and forces alone.

    OMP_NUM_THREADS=1 python -m benchmarks.science.hessian [--rows isomers] [--models neat] [--scale 0.1]

``isomers`` are the 11 frames of C4H8N2O under ATNN_DATA with analytic Hessians. No two frames are the same molecule, so
the test is on isomers that the training never saw. ``ethanol`` are geometries of one molecule at 300 K with Hessians of
GFN2-xTB. The relative error is the Frobenius norm of the difference over that of the labels, over all frames of a part.
It is also the root mean square error over the spread of the elements, whose mean is zero as a shift of a molecule costs
no energy. Frequencies are those of normal modes of both Hessians at the geometry of the label, without rigid motions,
each list sorted and imaginary ones negative; the geometries are no minima.

Finished trainings are kept in benchmarks/science/hessian.json, and with all of them there only the table is written.
``--folds`` holds out more parts in turn, ``--scale`` multiplies the epochs, to try the script.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.build import molecule
from benchmarks import systems
from benchmarks.kept import keep
from benchmarks.science.properties import MODELS

from atnn import read
from atnn.active import sample_geometries
from atnn.data import Frames, select
from atnn.data.matrices import join_matrix
from atnn.labelling import LabellerPotential, TbliteLabeller, label
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.observables import Curvature, normal_modes, relax
from atnn.quantities import QUANTITIES
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, train

RESULTS = Path(__file__).with_name("hessian.json")
WEIGHTS = {"energy": (0.01, 0.1), "forces": 1.0, "hessian": 1.0}
LABELS = {"with Hessians": tuple(WEIGHTS), "without": ("energy", "forces")}


class Row(NamedTuple):
    """A set of the table.

    Attributes:
        load: Makes the labelled frames.
        parts: Number of parts of the frames, of which one is held out.
        epochs: Passes over the training frames.
        batch_size: Structures of a step.
    """

    load: Callable[[], Labelled]
    parts: int
    epochs: int
    batch_size: int


def load_isomers() -> Labelled:
    """Energies, forces and Hessians of 11 isomers of C4H8N2O."""
    return read(systems.data("hessian", "H8C4N2O.xyz.gz")).labelled


def label_ethanol(count: int = 60) -> Labelled:
    """GFN2-xTB labels of geometries of ethanol at 300 K."""
    potential = LabellerPotential(TbliteLabeller())
    start = relax(potential, Structures.from_ase(molecule("CH3CH2OH")))
    frames = sample_geometries(potential, start, count, seed=1, temperatures=(300.0,), spacing=20)
    with tempfile.TemporaryDirectory() as folder:
        labelled = label(frames, TbliteLabeller(responses=("hessian",)), f"{folder}/labels.db", workers=0).labelled
    return select(labelled, np.random.default_rng(0).permutation(count))


ROWS = {"isomers": Row(load_isomers, 4, 1200, 4), "ethanol": Row(label_ethanol, 3, 200, 4)}


def run(name: str, model: str, labels: str, fold: int, scale: float) -> dict[str, Any]:
    """Train with one part held out; kept results are not computed again."""
    key = f"{name}, {model}, {labels}, fold {fold}" + ("" if scale == 1 else f", scale {scale:g}")
    return keep(RESULTS, key, lambda: measure(ROWS[name], model, LABELS[labels], fold, scale))


def measure(row: Row, model: str, quantities: tuple[str, ...], fold: int, scale: float) -> dict[str, Any]:
    """Errors on trained and held-out frames, number of parameters and seconds of one training."""
    data = row.load()
    parts = np.array_split(np.random.default_rng(0).permutation(len(data.structures)), row.parts)
    held = parts.pop(fold)
    sets = {"train": Frames(select(data, np.concatenate(parts))), "test": Frames(select(data, held))}
    epochs = max(1, round(scale * row.epochs))
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "data": {"train": "given"},
            "model": MODELS[model] | {"outputs": ["energy"]},
            "training": {
                "epochs": epochs,
                "batch_size": row.batch_size,
                "weights": {name: WEIGHTS[name] for name in quantities},
                "compile": True,
                "validate_every": max(1, epochs // 20),
            },
            "output": folder,
        }
        start = time.process_time()
        # There are too few frames to spare some for a choice, so the weights are those that fit the training best.
        config = parse(RunConfig, values, where="benchmarks/science/hessian.py")
        found = train(config, {"train": sets["train"], "validation": sets["train"]})
        seconds = time.process_time() - start
    size = sum(parameter.numel() for parameter in found.model.parameters())
    errors = {part: compare(found.model, frames) for part, frames in sets.items()}
    return errors | {"parameters": size, "seconds": seconds}


def compare(model: Model, frames: Frames) -> dict[str, float]:
    """Sums over the frames of a part from which :func:`summarise` makes the errors."""
    found = dict.fromkeys(("frames", "difference", "square", "frequencies", "forces"), 0.0)
    for k in range(len(frames)):
        one = frames[[k]]
        structures = one.structures
        given = model(structures, neighbor_pairs(structures, model.cutoff), ("forces", "hessian"))
        predicted, reference = (as_matrix(values["hessian"]) for values in (given, one.labels))
        modes = [find_frequencies(structures, matrix) for matrix in (predicted, reference)]
        found["frames"] += 1
        found["difference"] += float(((predicted - reference) ** 2).sum())
        found["square"] += float((reference**2).sum())
        found["frequencies"] += float(np.abs(modes[0] - modes[1]).mean())
        found["forces"] += float((given["forces"].detach().double() - one.labels["forces"]).square().mean())
    return found


def as_matrix(blocks: torch.Tensor) -> np.ndarray:
    """A Hessian [3 N, 3 N] from its blocks."""
    return join_matrix(blocks.detach().double().numpy(), QUANTITIES["hessian"])


def find_frequencies(structures: Structures, matrix: np.ndarray) -> np.ndarray:
    """Wavenumbers of a Hessian without rigid motions [cm^-1]."""
    return normal_modes(
        Curvature(structures, 0.0, np.zeros((len(structures.numbers), 3)), matrix, dipole=None, polarizability=None)
    ).frequencies


def summarise(parts: list[dict[str, float]]) -> tuple[float, float, float]:
    """Relative error of the Hessian [%], and errors of frequencies [cm^-1] and forces [meV/Angstrom]."""
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    hessian = np.sqrt(total["difference"] / total["square"])
    forces = np.sqrt(total["forces"] / total["frames"])
    return 100 * float(hessian), total["frequencies"] / total["frames"], 1e3 * float(forces)


def tabulate(results: dict[tuple[str, str, str], list[dict[str, Any]]]) -> str:
    """The table of all trainings as Markdown; of each error that on trained and that on held-out frames."""
    head = ["set", "model", "trained", "Hessian, %", "frequencies, cm^-1", "forces, meV/A", "parameters", "s"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---" + "|--:" * (len(head) - 3) + "|"]
    for (name, model, labels), folds in results.items():
        trained, held = (summarise([fold[part] for fold in folds]) for part in ("train", "test"))
        errors = [f"{a:.{digits}f} / {b:.{digits}f}" for a, b, digits in zip(trained, held, (1, 0, 0), strict=True)]
        seconds = np.mean([fold["seconds"] for fold in folds])
        cells = [name, model, labels, *errors, str(folds[0]["parameters"]), f"{seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["reann", "neat"])
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    results = {
        (name, model, labels): [run(name, model, labels, fold, given.scale) for fold in range(given.folds)]
        for name in given.rows
        for model in given.models
        for labels in LABELS
    }
    print(tabulate(results))


if __name__ == "__main__":
    main()
