"""The singlet-triplet gap of CH2 and its like from one model that knows the number of unpaired electrons.

    OMP_NUM_THREADS=1 python -m benchmarks.science.singlet_triplet [--output runs/singlet-triplet] [--epochs 200]

CH2, NH2+, CHF and SiH2, whose gaps reach from -2 to 2 eV and change sign with the angle. Labels are B3LYP/def2-SVP of
PySCF, restricted for the singlet and unrestricted for the triplet. (Such singlets lack the second determinant where the
states cross: gaps are to be compared with these labels, not with nature.) Geometries have any angle and bond lengths of
the ranges below and are labelled in both states; of 80 for each molecule 20 are held out, in both states. Each model is
trained on all molecules; without `conditions` both states are one to it and its gap is zero. Labels and trainings stay
in the output folder; run again it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from ase import Atoms
from benchmarks import systems

from atnn.data import Frames, select
from atnn.errors import AtnnWarning
from atnn.labelling import PyscfLabeller, label
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, train

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Charge, the two mean bond lengths [Angstrom], the angles [degrees].
MOLECULES: dict[str, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "CH2": (0.0, (1.10, 1.10), (85.0, 150.0)),
    "NH2": (1.0, (1.05, 1.05), (85.0, 150.0)),
    "CHF": (0.0, (1.12, 1.31), (85.0, 150.0)),
    "SiH2": (0.0, (1.52, 1.52), (80.0, 150.0)),
}
STRETCH = 0.08  # of either bond, up or down, of its length
GEOMETRIES, HELD_OUT = 80, 20
SPINS = (0, 2)
ELECTRONS = ["charge", "spin"]
REANN = {"name": "reann", "cutoff": 5.0, "channels": 12, "rounds": 1, "densities": 60, "hidden": [32, 32]}
MODELS: dict[str, dict[str, Any]] = {
    "REANN": {"representation": REANN, "conditions": ELECTRONS},
    "SpookyNet": {
        "representation": {"name": "spookynet", "cutoff": 5.0, "channels": 64, "rounds": 3},
        "conditions": ELECTRONS,
    },
    "REANN, without conditions": {"representation": REANN, "conditions": []},
}
PICTURE = systems.ROOT / "docs" / "images" / "singlet_triplet.png"


def bent(name: str, lengths: np.ndarray, angle: float) -> list[Atoms]:
    """A molecule in both states; angle [degrees]."""
    charge, turn = MOLECULES[name][0], np.radians(angle)
    places = [[0, 0, 0], [lengths[0], 0, 0], [lengths[1] * np.cos(turn), lengths[1] * np.sin(turn), 0]]
    return [Atoms(name, positions=places, info={"charge": charge, "spin": spin}) for spin in SPINS]


def sampled(name: str) -> list[Atoms]:
    """Random geometries, each in both states."""
    rng, (_, lengths, angles) = np.random.default_rng(0), MOLECULES[name]
    frames = []
    for angle in rng.uniform(*angles, GEOMETRIES):
        frames += bent(name, np.array(lengths) * (1 + STRETCH * rng.uniform(-1, 1, 2)), angle)
    return frames


def scanned(name: str) -> tuple[np.ndarray, list[Atoms]]:
    """Angles, and the molecule with its mean bond lengths at these, each in both states."""
    _, lengths, limits = MOLECULES[name]
    angles = np.linspace(*limits, 9)
    return angles, [atoms for angle in angles for atoms in bent(name, np.array(lengths), angle)]


def labelled(frames: list[Atoms], folder: Path) -> Labelled:
    """Labels, calculated or read."""
    result = label(Structures.from_ase(frames), PyscfLabeller(), folder / "labels.db", workers=0)
    assert result.labelled is not None and not result.failures, result.failures
    return result.labelled


def trained(model: str, data: Labelled, folder: Path, epochs: int) -> Model:
    """A model of all molecules."""
    values = {
        "data": {"train": "unused", "validation": 0.1},
        "model": {"hidden": [32, 32]} | MODELS[model],
        "training": {
            "epochs": epochs,
            "batch_size": 10,
            "weights": {"energy": [0.1, 10.0], "forces": 1.0},
            "compile": True,
            "validate_every": 10,
        },
        "output": str(folder / model.replace(", ", "-").replace(" ", "-")),
    }
    run = train(parse(RunConfig, values, where=__file__), {"train": Frames(data)})
    print(f"{model}: {run.history[-1]['seconds']:.0f} s of training", flush=True)
    return run.model


def gaps(energies: np.ndarray) -> np.ndarray:
    """Triplet less singlet [eV]."""
    return energies[1::2] - energies[::2]


def predicted(model: Model, structures: Structures) -> np.ndarray:
    """Energies [eV]."""
    with torch.no_grad():
        return model(structures, neighbor_pairs(structures, model.cutoff), ["energy"])["energy"].double().numpy()


def row(name: str, model: str, energies: np.ndarray, reference: np.ndarray) -> str:
    """A line of the table: errors of the gap and of both states."""
    off = 1e3 * (gaps(energies) - gaps(reference))
    states = [1e3 * np.sqrt(np.mean((energies[k::2] - reference[k::2]) ** 2)) for k in (0, 1)]
    span = f"{gaps(reference).min():.2f} to {gaps(reference).max():.2f}"
    errors = f"{np.sqrt(np.mean(off**2)):.1f} | {np.abs(off).max():.1f} | {states[0]:.1f} | {states[1]:.1f}"
    return f"| {name} | {span} | {model} | {errors} |"


def draw(models: dict[str, Model], folder: Path) -> None:
    """Gaps along the angle, a panel for each molecule."""
    figure, panels = plt.subplots(1, len(MOLECULES), figsize=(3.2 * len(MOLECULES), 3), layout="constrained")
    for panel, name in zip(panels, MOLECULES, strict=True):
        angles, frames = scanned(name)
        data = labelled(frames, folder)
        panel.plot(angles, gaps(data.labels["energy"].numpy()), "k.", label="B3LYP")
        for model, network in models.items():
            panel.plot(angles, gaps(predicted(network, data.structures)), label=model)
        panel.set(title=name + "+" * bool(MOLECULES[name][0]), xlabel="angle [degrees]")
    panels[0].set_ylabel("triplet - singlet [eV]")
    panels[0].legend(fontsize=7)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/singlet-triplet"), help="folder of all that is kept")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the training frames")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter(
        "ignore", AtnnWarning
    )  # a model without conditions ignores them, which is what it is here for
    print(systems.machine(), flush=True)
    data = labelled([atoms for name in MOLECULES for atoms in sampled(name)], arguments.output)
    order = np.arange(len(data.structures))
    held = order // 2 % GEOMETRIES < HELD_OUT
    known = select(data, np.flatnonzero(~held))
    models = {model: trained(model, known, arguments.output, arguments.epochs) for model in arguments.models}
    print("| molecule | gaps, eV | model | gap, RMSE meV | largest | singlet, RMSE meV | triplet |")
    print("|---|--:|---|--:|--:|--:|--:|")
    for k, name in enumerate(MOLECULES):
        test = select(data, np.flatnonzero(held & (order // 2 // GEOMETRIES == k)))
        reference = test.labels["energy"].numpy()
        for model, network in models.items():
            print(row(name, model, predicted(network, test.structures), reference))
    draw(models, arguments.output)


if __name__ == "__main__":
    main()
