"""Electronic friction of H2 on copper, learned from 75 frames of which 4 have friction worth the name.

    OMP_NUM_THREADS=1 python -m benchmarks.science.friction [--models eann neat] [--choices reach all] [--seeds 1]

The frames are those of ACEfriction.jl (arXiv:2407.13935), h2cu_friction under ATNN_DATA. Their unit is not stated; it
is taken for 1/ps, mass-weighted, which relative errors do not depend on. Each frame with a trace above 0.1/ps is left
out once, and its relative error is the Frobenius norm of the difference over that of the label. The other 71 frames are
predicted in four folds, with absolute errors. A choice says which frames are trained on.

Finished trainings are kept in benchmarks/science/friction.json, and with all of them there only the table is written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks import systems
from benchmarks.kept import keep
from benchmarks.science.properties import MODELS

from atnn.data import Frames, select
from atnn.data.matrices import join_matrix
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.quantities import QUANTITIES
from atnn.reading import read
from atnn.readouts.friction import REACH
from atnn.specification import parse
from atnn.structures import Labelled
from atnn.training import RunConfig, train
from atnn.units import amu_angstrom2_per_fs2

RESULTS = Path(__file__).with_name("friction.json")
PER_PS = 1.008 * amu_angstrom2_per_fs2 * 1e-3  # eV*fs/Angstrom^2 of two H in 1/ps
LARGE = 0.1  # 1/ps, trace
FOLDS = 4
STEPS = 60
BATCH = 7


class Choice(NamedTuple):
    """How a few large tensors are learned among many that are nearly zero.

    Attributes:
        near: Whether only frames are trained on in which an atom is within reach of the surface. In all others the
            model gives zero, whatever its weights are.
        copies: How often the frames with large tensors are in the training data.
    """

    near: bool
    copies: int


CHOICES = {
    "all": Choice(False, 1),
    "copies": Choice(False, 16),
    "reach": Choice(True, 1),
}


class Data(NamedTuple):
    """The labelled frames.

    Attributes:
        labelled: The frames.
        tensors: Labels [frames, 6, 6] in 1/ps.
        near: Whether an atom of the adsorbate is within reach of the surface.
    """

    labelled: Labelled
    tensors: np.ndarray
    near: np.ndarray

    @property
    def large(self) -> np.ndarray:
        """Indices of the frames with friction."""
        return np.flatnonzero(np.trace(self.tensors, axis1=1, axis2=2) > LARGE)


def load() -> Data:
    """Read the frames."""
    found = read(systems.data("h2cu_friction", "frames.xyz"), units={"friction": "1/ps"})
    labelled = found[range(len(found))]
    structures = labelled.structures
    pairs = neighbor_pairs(structures, REACH)
    assert structures.adsorbate is not None
    touched = structures.adsorbate[pairs.i] & ~structures.adsorbate[pairs.j]
    near = torch.zeros(len(structures), dtype=torch.bool)
    near[structures.batch[pairs.i[touched]]] = True
    return Data(labelled, join(labelled.labels["friction"]), near.numpy())


def join(blocks: torch.Tensor) -> np.ndarray:
    """Tensors [frames, 6, 6] in 1/ps of blocks in eV*fs/Angstrom^2."""
    row, values = QUANTITIES["friction"], blocks.detach().double().numpy()
    return np.stack([join_matrix(part, row) for part in np.split(values, len(values) // 4)]) / PER_PS


def run(data: Data, model: str, choice: str, seed: int, steps: int) -> dict[str, Any]:
    """Results of all trainings of a model; kept ones are not computed again."""
    key = f"{model}, {choice}, seed {seed}, {steps} steps"
    return keep(RESULTS, key, lambda: measure(data, model, CHOICES[choice], seed, steps))


def measure(data: Data, model: str, choice: Choice, seed: int, steps: int) -> dict[str, Any]:
    """Leave out the large tensors one by one, and the others fold by fold."""
    everything = np.arange(len(data.tensors))
    small = np.setdiff1d(everything, data.large)
    held = [np.array([frame]) for frame in data.large] + [small[fold::FOLDS] for fold in range(FOLDS)]
    predicted, start = np.zeros_like(data.tensors), time.process_time()
    models: dict[tuple[int, ...], Model] = {}  # folds that miss the same training frames share one
    for left_out in held:
        frames = np.setdiff1d(everything, left_out)
        frames = frames[data.near[frames]] if choice.near else frames
        if (key := tuple(frames)) not in models:
            models[key] = fit(data, frames, model, choice, seed, steps)
        predicted[left_out] = predict(models[key], select(data.labelled, left_out))
    size = sum(parameter.numel() for parameter in models[key].parameters())
    return compare(predicted, data) | {"parameters": size, "seconds": time.process_time() - start}


def fit(data: Data, frames: np.ndarray, model: str, choice: Choice, seed: int, steps: int) -> Model:
    """Train on these frames."""
    frames = np.concatenate([frames, *[np.intersect1d(frames, data.large)] * (choice.copies - 1)])
    labelled = Frames(select(data.labelled, frames))
    epochs = max(1, round(steps / max(1, round(len(frames) / BATCH))))
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "data": {"train": "given"},
            "model": MODELS[model] | {"outputs": ["friction"]},
            "training": {
                "epochs": epochs,
                "batch_size": BATCH,
                "weights": {"friction": 1.0},
                "warmup": steps // 20,
                "ema": 0.9,
                "validate_every": epochs,
            },
            "output": folder,
            "seed": seed,
        }
        given = parse(RunConfig, values, where="benchmarks/science/friction.py")
        return train(given, {"train": labelled, "validation": labelled}).model


def predict(model: Model, labelled: Labelled) -> np.ndarray:
    """Tensors of these frames in 1/ps, in double precision: the smallest eigenvalues are judged."""
    double, structures = model.double(), labelled.structures
    return join(double(structures, neighbor_pairs(structures, double.cutoff), ["friction"])["friction"])


def compare(predicted: np.ndarray, data: Data) -> dict[str, Any]:
    """Errors, and whether all tensors are positive semidefinite."""
    lost = np.linalg.norm(predicted - data.tensors, axis=(1, 2))
    sizes = np.linalg.norm(data.tensors, axis=(1, 2))
    lowest = np.linalg.eigvalsh(predicted)[:, 0] / np.maximum(np.linalg.norm(predicted, axis=(1, 2)), 1e-300)
    small = np.setdiff1d(np.arange(len(lost)), data.large)
    return {
        "relative": (lost / sizes)[data.large].tolist(),
        "small": {"mean": float(lost[small].mean()), "largest": float(lost[small].max())},
        "predicted": predicted[data.large].tolist(),
        "positive": int((lowest > -1e-12).sum()),
        "lowest": float(np.linalg.eigvalsh(predicted).min()),
    }


def guess(data: Data) -> list[float]:
    """Relative errors of the mean of the other three large tensors, with the better order of the two atoms."""
    result, swap = [], [3, 4, 5, 0, 1, 2]
    for frame in data.large:
        mean = data.tensors[np.setdiff1d(data.large, frame)].mean(0)
        label = data.tensors[frame]
        lost = min(np.linalg.norm(each - label) for each in (mean, mean[swap][:, swap]))
        result.append(float(lost / np.linalg.norm(label)))
    return result


def tabulate(results: dict[tuple[str, str, int], dict[str, Any]], data: Data) -> str:
    """The table of all models as Markdown."""
    names = [f"frame {frame}" for frame in data.large]
    head = ["model", "trained on", "seed", *names, "mean", "small: mean, largest [1/ps]", "PSD", "lowest", "parameters"]
    lines = [f"| {' | '.join([*head, 'seconds'])} |", "|---" * (len(head) + 1) + "|"]

    def add(first: list[str], errors: list[float], last: list[str]) -> None:
        shown = [f"{100 * error:.0f} %" for error in (*errors, np.mean(errors))]
        lines.append("| " + " | ".join([*first, *shown, *last]) + " |")

    add(["mean of the others", "", ""], guess(data), [""] * 5)
    for (model, choice, seed), found in results.items():
        small = f"{found['small']['mean']:.4f}, {found['small']['largest']:.2f}"
        counted = [f"{found['positive']} of {len(data.tensors)}", f"{found['lowest']:.1e}", str(found["parameters"])]
        add([model, choice, str(seed)], found["relative"], [small, *counted, f"{found['seconds']:.0f}"])
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["eann", "neat"])
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    data = load()
    results = {
        (model, choice, seed): run(data, model, choice, seed, given.steps)
        for model in given.models
        for choice in given.choices
        for seed in range(given.seeds)
    }
    print(tabulate(results, data))


if __name__ == "__main__":
    main()
