"""Torsion of cumulenes, which only messages with directions can carry from one end of the chain to the other.

    OMP_NUM_THREADS=1 python -m benchmarks.science.cumulenes [--output runs/cumulenes] [--epochs 100]

H2C=C...C=CH2 with n carbons in all, n = 3 to 7. The pi systems of neighboring bonds stand upright on each other, so the
ground state is planar for even n and perpendicular for odd n, whatever the length. Labels are GFN2-xTB, closed shell,
with electrons smeared at 1000 K: the frontier orbitals cross a quarter turn away from the ground state, which is a cusp
of the energy without smearing. Training frames have n = 3, 4 and 5, any torsion and rattled atoms; the torsion profiles
are those of the unrattled chain, their mean taken off, n = 6 and 7 longer than any chain of the training. With a cutoff
of 3 Angstrom only the middle atom of the shortest chain, n = 3, sees both ends; in all others three rounds of messages
must join them. Errors are means over two seeds. Run again to go on with unfinished trainings; with all finished it only
prints. Labels and trainings stay in the output folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase import Atoms
from benchmarks import systems

from atnn.data import Frames, select
from atnn.labelling import TbliteLabeller, label
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, ModelConfig, RunConfig, TrainingConfig, evaluate, train

TRAINED, LENGTHS = (3, 4, 5), (3, 4, 5, 6, 7)
FRAMES, HELD_OUT, TESTED = 200, 20, 40  # per length: for training, of these for validation, for the force test
RATTLE = 0.03  # Angstrom
ANGLES = np.arange(0.0, 181.0, 5.0)
SEEDS = (0, 1)
SIZES = {"cutoff": 3.0, "rounds": 3, "channels": 12}
FIELDS = SIZES | {"densities": 60, "hidden": [32, 32]}
MODELS = {
    "REANN": {"name": "reann", **FIELDS},
    "EquiREANN": {"name": "equireann", **FIELDS},
    "NEMP": {"name": "nemp", **SIZES, "radial": 8, "hidden": [32]},
}
PICTURE = systems.ROOT / "docs" / "images" / "cumulenes.png"
Profile = np.ndarray  # energies at ANGLES [eV], their mean taken off


def cumulene(n: int, torsion: float) -> Atoms:
    """A chain of n carbons, one end turned about the axis [degrees]."""
    x = 1.28 * np.arange(n)
    carbons = np.stack([x, 0 * x, 0 * x], axis=1)
    ends = []
    for carbon, side, angle in ((carbons[0], -1, 0.0), (carbons[-1], 1, np.radians(torsion))):
        across = np.array([0.0, np.cos(angle), np.sin(angle)])
        ends += [carbon + [side * 0.55, 0, 0] + sign * 0.93 * across for sign in (1, -1)]
    return Atoms(f"C{n}H4", positions=np.concatenate([carbons, ends]))


def rattled(n: int, count: int, seed: int) -> list[Atoms]:
    """Chains of any torsion, every coordinate displaced at random."""
    rng = np.random.default_rng((seed, n))
    frames = [cumulene(n, torsion) for torsion in rng.uniform(0.0, 180.0, count)]
    for atoms in frames:
        atoms.positions += rng.normal(scale=RATTLE, size=atoms.positions.shape)
    return frames


def labelled(frames: list[Atoms], folder: Path) -> Labelled:
    """The frames with energies and forces; what was calculated before is read."""
    labeller = TbliteLabeller(electronic_temperature=1000.0)
    result = label(Structures.from_ase(frames), labeller, folder / "labels.db", workers=0)
    assert result.labelled is not None and not result.failures, result.failures
    return result.labelled


def configuration(representation: dict, seed: int, output: Path, epochs: int) -> RunConfig:
    """The same for every model but the representation."""
    return RunConfig(
        data=DataConfig(train="unused"),
        model=ModelConfig(representation=representation, hidden=(32, 32)),
        training=TrainingConfig(
            epochs=epochs,
            batch_size=10,
            learning_rate=4e-3,
            optimizer="adam",
            weights={"energy": (0.1, 1.0), "forces": 1.0},
            compile=True,
            validate_every=5,
        ),
        output=str(output),
        seed=seed,
    )


def trained(folder: Path, epochs: int) -> dict[str, list[Model]]:
    """Every model, once per seed."""
    data = labelled([atoms for n in TRAINED for atoms in rattled(n, FRAMES, seed=0)], folder)
    held = np.arange(len(data.structures)) % FRAMES < HELD_OUT
    parts = {"train": np.flatnonzero(~held), "validation": np.flatnonzero(held)}
    sets = {part: Frames(select(data, indices)) for part, indices in parts.items()}
    models: dict[str, list[Model]] = {}
    for seed in SEEDS:
        for name, representation in MODELS.items():
            result = train(configuration(representation, seed, folder / f"{name}-{seed}", epochs), sets)
            models.setdefault(name, []).append(result.model)
            print(f"{name}, seed {seed}: {result.history[-1]['seconds']:.0f} s of training", flush=True)
    return models


def centered(energies: np.ndarray) -> Profile:
    """Energies without their mean."""
    return energies - energies.mean()


def predicted(model: Model, structures: Structures) -> Profile:
    """Torsion profile of a model."""
    result = model(structures, neighbor_pairs(structures, model.cutoff), ["energy"])
    return centered(result["energy"].detach().double().numpy())


def compared(models: dict[str, list[Model]], folder: Path) -> tuple[dict, list[str]]:
    """Profiles by name and length, and the lines of the table."""
    profiles: dict[tuple[str, int], list[Profile]] = {}
    errors: dict[str, list[str]] = {name: [] for name in models}
    for n in LENGTHS:
        turned = labelled([cumulene(n, angle) for angle in ANGLES], folder)
        moved = Frames(labelled(rattled(n, TESTED, seed=1), folder))
        reference = centered(turned.labels["energy"].numpy())
        profiles["GFN2-xTB", n] = [reference]
        for name, runs in models.items():
            profiles[name, n] = [predicted(model, turned.structures) for model in runs]
            torsion = [1e3 * float(np.sqrt(np.mean((profile - reference) ** 2))) for profile in profiles[name, n]]
            forces = [1e3 * evaluate(model, moved)["forces"].rmse for model in runs]
            errors[name].append(" / ".join(f"{np.mean(part):.0f}" for part in (torsion, forces)))
    heads = " | ".join(f"n = {n}" for n in LENGTHS)
    lines = [f"| torsion meV / forces meV/A | {heads} |", "|---|" + "--:|" * len(LENGTHS)]
    spreads = [f"{1e3 * profiles['GFN2-xTB', n][0].std():.0f} / -" for n in LENGTHS]
    lines.append("| no torsion at all | " + " | ".join(spreads) + " |")
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in errors.items()]
    return profiles, lines


def draw(profiles: dict[tuple[str, int], list[Profile]]) -> None:
    """Torsion profiles, a panel for each length; dashed: another seed."""
    figure, panels = plt.subplots(1, len(LENGTHS), figsize=(13, 3.2), sharey=True, layout="constrained")
    colors = {"GFN2-xTB": "black", "REANN": "#6f6f6f", "EquiREANN": "#1f77b4", "NEMP": "#e07b00"}
    for (name, n), runs in profiles.items():
        panel = panels[LENGTHS.index(n)]
        for run, style in zip(runs, ("-", "--"), strict=False):
            marker = "." if name == "GFN2-xTB" else None
            panel.plot(ANGLES, run, style, color=colors[name], marker=marker, label=name if style == "-" else None)
        panel.set_title(f"n = {n}, {'trained' if n in TRAINED else 'never seen'}", fontsize=10)
        panel.set_xticks([0, 90, 180])
        panel.set_xlabel("torsion [degrees]")
    panels[0].set_ylabel("energy [eV]")
    panels[0].legend(fontsize=8)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/cumulenes"), help="folder of labels and trainings")
    parser.add_argument("--epochs", type=int, default=100, help="passes over the training frames")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine())
    profiles, lines = compared(trained(arguments.output, arguments.epochs), arguments.output)
    print("\n".join(lines))
    draw(profiles)


if __name__ == "__main__":
    main()
