"""Errors on molecules with an element that no training frame has.

    OMP_NUM_THREADS=1 python -m benchmarks.science.unseen_element [--output runs/unseen_element] [--epochs 40]

Closed-shell molecules of ASE's G2 collection, rattled, with energies and forces of GFN2-xTB. An element is left out of
the training: sulfur, with no other element of its period, sulfur with all its neighbors in the table (Si, P, Cl), and
fluorine. The models know it by what the elements share: GMP by the density of its atom, all by the electron shells that
shared networks see. Its reference energy is that of the isolated atom, as for the other elements. Tested are new frames
of the molecules of the training, molecules that are new, and molecules that contain the element; beside them a model
that gives zero forces and the mean binding energy per atom of the training. Run again to go on with unfinished
trainings; with all finished it only prints. Labels and trainings stay in the output folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase import Atoms
from ase.collections import g2
from ase.data import atomic_numbers
from benchmarks import systems

from atnn.data import Frames, concatenate, write_extxyz
from atnn.labelling import TbliteLabeller, label
from atnn.model import Model
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, ModelConfig, RunConfig, TrainingConfig, evaluate, train

FEW, MANY = ("H", "C", "N", "O", "F", "S"), ("H", "C", "N", "O", "F", "Si", "P", "S", "Cl")
CASES = {"S": ("S", FEW), "S beside Si, P, Cl": ("S", MANY), "F": ("F", FEW)}  # left out, elements of the data
FRAMES, VALIDATION, TEST = 14, 2, 2  # of each molecule, and how many of them are not for training
NEW = 10  # molecules without the element that are kept from training
RATTLE = (0.05, 0.10)  # Angstrom
SMALLEST = 3  # atoms
MODELS = {
    "EANN": {"name": "eann", "cutoff": 4.0, "channels": 8, "contraction": 32},
    "REANN": {"name": "reann", "cutoff": 4.0, "channels": 8, "rounds": 1, "densities": 40, "hidden": [32, 32]},
    "NEMP": {"name": "nemp", "cutoff": 4.0, "channels": 8, "rounds": 2, "radial": 8, "hidden": [32]},
    "GMP": {"name": "gmp", "cutoff": 5.0, "sigmas": 8, "degree": 3},
}
PARTS = ("new frames", "new molecules", "the element")
PICTURE = systems.ROOT / "docs" / "images" / "unseen_element.png"


class Parts(NamedTuple):
    """Data of one case."""

    train: Frames
    validation: Frames
    tests: dict[str, Frames]


def molecules(symbols: tuple[str, ...]) -> list[str]:
    """Names of the closed-shell molecules of these elements."""

    def fits(atoms: Atoms) -> bool:
        closed = sum(atoms.numbers) % 2 == 0 and abs(atoms.get_initial_magnetic_moments().sum()) < 0.1
        return closed and len(atoms) >= SMALLEST and set(atoms.symbols) <= set(symbols)

    return sorted(name for name in g2.names if fits(g2[name]))


def rattled(name: str) -> list[Atoms]:
    """Frames of a molecule, always the same."""
    rng = np.random.default_rng(list(name.encode()))
    frames = [Atoms(g2[name].numbers, g2[name].positions) for _ in range(FRAMES)]
    for atoms in frames:
        atoms.positions += rng.normal(scale=rng.uniform(*RATTLE), size=atoms.positions.shape)
    return frames


def labelled(frames: list[Atoms], folder: Path) -> Labelled:
    """The frames with energies and forces; what was calculated before is read."""
    result = label(Structures.from_ase(frames), TbliteLabeller(), folder / "labels.db", workers=0)
    assert result.labelled is not None and not result.failures, result.failures
    return result.labelled


def parts(left_out: str, symbols: tuple[str, ...], folder: Path) -> Parts:
    """Training, validation and test frames without the element, and those with it."""
    names = molecules(symbols)
    without = [name for name in names if left_out not in g2[name].symbols]
    new = set(np.random.default_rng(0).permutation(without)[:NEW])
    known = [labelled(rattled(name), folder) for name in without if name not in new]
    last, held = FRAMES - TEST, FRAMES - TEST - VALIDATION

    def some(first: int, end: int) -> Frames:
        return Frames(Frames(molecule)[range(first, end)] for molecule in known)

    tests = {"new frames": some(last, FRAMES), "new molecules": together(sorted(new), folder)}
    tests["the element"] = together([name for name in names if name not in without], folder)
    return Parts(some(0, held), some(held, last), tests)


def together(names: list[str], folder: Path) -> Frames:
    """All frames of some molecules."""
    return Frames(concatenate([labelled(rattled(name), folder) for name in names]))


def configuration(representation: dict, left_out: str, output: Path, epochs: int) -> RunConfig:
    """The same for every model but the representation."""
    return RunConfig(
        data=DataConfig(train="unused", isolated=str(output.parent / "atoms.xyz")),
        model=ModelConfig(
            representation=representation, networks="shared", elements=(atomic_numbers[left_out],), hidden=(64, 64)
        ),
        training=TrainingConfig(
            epochs=epochs,
            batch_size=10,
            optimizer="adam",
            weights={"energy": (0.03, 0.3), "forces": 1.0},
            compile=True,
            validate_every=5,
        ),
        output=str(output),
    )


def binding(model: Model, data: Labelled) -> np.ndarray:
    """Energy per atom without the isolated atoms [eV]."""
    structures = data.structures
    atoms = torch.tensor([model.reference_energies[z] for z in structures.numbers.tolist()], dtype=torch.float64)
    free = torch.zeros(len(structures), dtype=torch.float64).index_add(0, structures.batch, atoms)
    return ((data.labels["energy"] - free) / structures.counts).numpy()


def naive(model: Model, case: Parts) -> dict[str, tuple[float, float]]:
    """Errors of the mean binding energy per atom and of zero forces [meV]."""
    mean = binding(model, case.train.labelled).mean()
    errors = {}
    for name, frames in case.tests.items():
        energy = np.sqrt(np.mean((binding(model, frames.labelled) - mean) ** 2))
        forces = frames.labelled.labels["forces"].square().mean().sqrt()
        errors[name] = (1e3 * float(energy), 1e3 * float(forces))
    return errors


def tested(model: Model, case: Parts) -> dict[str, tuple[float, float]]:
    """Errors of a model: energy per atom, forces [meV]."""
    found = {name: evaluate(model, frames) for name, frames in case.tests.items()}
    return {name: (1e3 * e["energy_per_atom"].rmse, 1e3 * e["forces"].rmse) for name, e in found.items()}


def results(folder: Path, epochs: int) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Errors by case, model and part."""
    write_extxyz(folder / "atoms.xyz", labelled([Atoms(symbol) for symbol in MANY], folder))
    table: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for title, (left_out, symbols) in CASES.items():
        case = parts(left_out, symbols, folder)
        sets = {"train": case.train, "validation": case.validation}
        counts = ", ".join(f"{name} {len(frames)}" for name, frames in (sets | case.tests).items())
        print(f"{title} left out; frames: {counts}", flush=True)
        table[title] = {}
        for name, representation in MODELS.items():
            output = folder / f"{name}-{title.replace(', ', '-').replace(' ', '-')}"
            result = train(configuration(representation, left_out, output, epochs), sets)
            table[title][name] = tested(result.model, case)
            print(f"{name}: {result.history[-1]['seconds']:.0f} s of training", flush=True)
        table[title]["naive"] = naive(result.model, case)
    return table


def draw(table: dict[str, dict[str, dict[str, tuple[float, float]]]]) -> None:
    """Errors of the forces as bars, a panel for each case."""
    figure, panels = plt.subplots(1, len(table), figsize=(11, 3.2), sharey=True, layout="constrained")
    colors = ("#009e73", "#1f77b4", "#e07b00")
    for panel, (title, models) in zip(panels, table.items(), strict=True):
        for index, (part, color) in enumerate(zip(PARTS, colors, strict=True)):
            heights = [errors[part][1] for errors in models.values()]
            panel.bar(np.arange(len(models)) + 0.27 * (index - 1), heights, 0.25, color=color, label=part)
        panel.set_xticks(range(len(models)), list(models), fontsize=8)
        panel.set_title(f"left out: {title}", fontsize=10)
        panel.set_yscale("log")
    panels[0].set_ylabel("force RMSE [meV/A]")
    panels[0].legend(fontsize=8)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--output", type=Path, default=Path("runs/unseen_element"), help="folder of labels and trainings"
    )
    parser.add_argument("--epochs", type=int, default=40, help="passes over the training frames")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine())
    table = results(arguments.output, arguments.epochs)
    print("| left out | model, meV/atom / meV/A | " + " | ".join(PARTS) + " |\n|---|---|" + "--:|" * len(PARTS))
    for title, models in table.items():
        for name, errors in models.items():
            cells = [f"{errors[part][0]:.0f} / {errors[part][1]:.0f}" for part in PARTS]
            print(f"| {title} | {name} | " + " | ".join(cells) + " |")
    draw(table)


if __name__ == "__main__":
    main()
