"""Where the force errors of a model of 3BPA sit: at atoms whose bonds are longer or shorter than any in its training.

    python -m benchmarks.science.extrapolation runs-3bpa/accurate/model.atnn [...]

Test frames at 600 and 1200 K; ranges are those of every single bond in the 500 frames at 300 K.
"""

from __future__ import annotations

import argparse
import itertools

import torch
from benchmarks import systems

from atnn.model import load_model
from atnn.reading import read
from atnn.training import evaluate

LONGEST_BOND = 1.7  # Angstrom, of the mean length in the training
EXCESS = (0.0, 0.005, 0.03, 0.08, 1.0)  # Angstrom


def distances(file: str) -> torch.Tensor:
    """Between all atoms of every frame [frames, atoms, atoms]."""
    data = read(systems.data("3bpa", file))
    positions = data[range(len(data))].structures.positions
    frames = positions.reshape(len(data), -1, 3)
    return torch.cdist(frames, frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model files")
    arguments = parser.parse_args()
    trained = distances("train_300K.xyz.gz")
    shortest, longest, mean = trained.amin(0), trained.amax(0), trained.mean(0)
    bonded = (mean < LONGEST_BOND) & (mean > 0)
    bins = list(itertools.pairwise(EXCESS))
    heads = " | ".join(f"{low:g} to {high:g}" for low, high in bins)
    print(f"force RMSE, meV/A, of atoms with a bond beyond its range by ... A\n\n| model | K | {heads} |")
    print("|---|--:|" + "--:|" * len(bins))
    for path in arguments.models:
        model = load_model(path)
        for kelvin in (600, 1200):
            file = f"ood_dev_{kelvin}K.xyz"
            found = distances(file)
            beyond = torch.maximum(found - longest, shortest - found).clamp(min=0)
            beyond = (beyond * bonded).amax(2)
            forces = evaluate(model, read(systems.data("3bpa", file)))["forces"]
            errors = torch.as_tensor(forces.predicted - forces.reference).reshape(*beyond.shape, 3)
            squares, cells = errors.square().mean(2), []
            for low, high in bins:
                chosen = squares[(beyond >= low) & (beyond < high)]
                cells.append(f"{1e3 * float(chosen.mean().sqrt()):.0f} ({len(chosen)})" if len(chosen) else "-")
            print(f"| {path} | {kelvin} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
