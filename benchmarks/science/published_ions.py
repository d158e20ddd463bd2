"""Models of charged and ionic systems on small parts of published sets: checks on labels that are not ours.

    OMP_NUM_THREADS=1 python -m benchmarks.science.published_ions [--sets carbon gold dimers water]

carbon  C10H2 and C10H3+, PBE and Hirshfeld charges (doi:10.1038/s41467-020-20427-2), 96 frames of 10 019.
gold    Au2 on MgO, Al-doped or not, periodic, the same source, 35 frames of 5000.
dimers  Ten pairs of a cation and an anion (doi:10.1039/d0sc04934d), 13 distances each: trained on the nearer eight,
        tested on the farther five, where fragments lose sight of each other. No charges are given. The file states a
        cell of 30 Angstrom, but has energies of single ions, which no periodic calculation gives: taken as molecules.
water   Bulk water, 15 frames of 64 molecules with Born effective charges of RPBE-D3, which are not trained on. A third
        of their trace is compared with the latent charges, learned from forces; these are what remains of the charges
        when the electrons have screened them, smaller by the refractive index (sqrt(1.8) = 1.3).

A fifth of the frames of carbon, gold and water is held out. Few frames: errors say what helps, not how good a model can
be. Run again to go on with unfinished trainings.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.io import read as read_ase
from benchmarks import systems
from benchmarks.science.charge_transfer import CHARGES, LOCAL, MODELS, REANN

from atnn.data import Frames
from atnn.errors import AtnnWarning
from atnn.neighbors import neighbor_pairs
from atnn.reading import read
from atnn.specification import parse
from atnn.training import RunConfig, TrainingResult, train

LATENT = {**LOCAL, "terms": [{"name": "latent_electrostatics"}]}
LEARNED = {**CHARGES, "conditions": [], "terms": [{"name": "electrostatics"}]}
SMALL = REANN | {"channels": 8, "densities": 40}


class Task(NamedTuple):
    """A set, the models compared on it, and passes over the training frames."""

    file: tuple[str, str]
    models: dict[str, dict[str, Any]]
    epochs: int


def chosen(*names: str) -> dict[str, dict[str, Any]]:
    """Models of charge_transfer.py."""
    return {name: MODELS[name] for name in names}


TASKS = {
    "carbon": Task(("carbon_chain_4g", "frames.xyz"), chosen("SpookyNet", "REANN", "REANN, local"), 250),
    "gold": Task(("au_mgo_4g", "frames.xyz.gz"), chosen("REANN", "REANN, equilibrated", "REANN, local"), 150),
    "dimers": Task(
        ("charged_dimers_lode", "charge_charge.xyz.gz"),
        {
            "REANN, charges learned from energies": {**LEARNED, "representation": REANN},
            "REANN, latent charges": {**LATENT, "representation": REANN},
            "REANN, local": {**LOCAL, "representation": REANN},
        },
        300,
    ),
    "water": Task(
        ("water_apt", "frames.xyz.gz"),
        {
            "REANN, latent charges": {**LATENT, "representation": SMALL},
            "REANN, local": {**LOCAL, "representation": SMALL},
        },
        300,
    ),
}


def opened(name: str) -> Frames:
    """A set, as it is computed with."""
    labelled = read(systems.data(*TASKS[name].file)).labelled
    if name == "dimers":
        s = labelled.structures
        labelled = labelled._replace(structures=s.replace(pbc=torch.zeros_like(s.pbc), cell=torch.zeros_like(s.cell)))
    return Frames(labelled)


def split(name: str, frames: Frames) -> tuple[list[int], list[int]]:
    """Indices to train on and to test on."""
    indices = np.arange(len(frames))
    if name == "dimers":
        distances = np.array([a.info["distance"] for a in read_ase(systems.data(*TASKS[name].file), ":")])
        ranks = distances.reshape(-1, 13).argsort(1).argsort(1).ravel()
        return indices[ranks < 8].tolist(), indices[ranks >= 8].tolist()
    mixed = np.random.default_rng(0).permutation(indices)
    held = len(indices) // 5
    return sorted(mixed[held:].tolist()), sorted(mixed[:held].tolist())


def trained(name: str, model: str, frames: Frames, folder: Path) -> TrainingResult:
    """One model."""
    specification = TASKS[name].models[model]
    weights = {"energy": [0.1, 1.0], "forces": 1.0}
    if "charges" in frames.labelled.labels and "charges" in specification["outputs"]:
        weights |= {"charges": 1.0}
    values = {
        "data": {"train": "unused", "validation": 0.1},
        "model": {"hidden": [32, 32]} | specification,
        "training": {
            "epochs": TASKS[name].epochs,
            "batch_size": 1 if name == "water" else 8,
            "compile": True,
            "weights": weights,
            "validate_every": 10,
        },
        "output": str(folder / name / model.replace(", ", "-").replace(" ", "-")),
    }
    parts = zip(("train", "test"), (Frames(frames[indices]) for indices in split(name, frames)), strict=True)
    return train(parse(RunConfig, values, where=__file__), dict(parts))


def born(run: TrainingResult, frames: Frames) -> str:
    """Latent charges of the held-out frames beside a third of the trace of their Born effective charges."""
    indices = split("water", frames)[1]
    labels = [a.arrays["born_charges"][:, [0, 4, 8]].mean(1) for a in read_ase(systems.data(*TASKS["water"].file), ":")]
    structures = frames[indices].structures
    latent = []
    source = next(part for part in run.model.parts.values() if "latent_charges" in part.gives)
    source.register_forward_hook(lambda part, given, values: latent.append(values["latent_charges"].detach()))
    run.model(structures, neighbor_pairs(structures, run.model.cutoff), ("energy",))
    latent = torch.cat(latent)
    charges, known = latent[:, 0].double().numpy(), np.concatenate([labels[i] for i in indices])
    oxygen = structures.numbers.numpy() == 8
    sign = -np.sign(charges[oxygen].mean())  # energies are even in all charges together
    parts = [f"{sign * charges[atoms].mean():.2f} and {known[atoms].mean():.2f} e on {symbol}"
             for atoms, symbol in ((oxygen, "O"), (~oxygen, "H"))]  # fmt: skip
    return "water, latent and mean Born charges: " + ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--output", type=Path, default=Path("runs/published-ions"), help="folder of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", AtnnWarning)  # of charges that a model ignores, which is compared here
    print(systems.machine(), flush=True)
    print(
        "| set | train | test | model | energy, meV/atom | forces, meV/A | charges, me |\n|---|--:|--:|---|--:|--:|--:|"
    )
    for name in arguments.sets:
        frames = opened(name)
        sizes = " | ".join(str(len(part)) for part in split(name, frames))
        for model in TASKS[name].models:
            run = trained(name, model, frames, arguments.output)
            errors = {q: f"{1e3 * e.rmse:.2f}" for q, e in run.errors["test"].items()}
            cells = " | ".join(errors.get(q, "-") for q in ("energy_per_atom", "forces", "charges"))
            print(f"| {name} | {sizes} | {model} | {cells} |", flush=True)
            if name == "water" and "latent" in model:
                print(born(run, frames), flush=True)


if __name__ == "__main__":
    main()
