"""Infrared and Raman spectra of liquid water from two trajectories of 10 ps, run as one batch.

    OMP_NUM_THREADS=1 python -m benchmarks.science.water_spectra [--output runs/water-spectra] [--scale 0.05]

Forces are those of one model, trained on boxes of 64 molecules of PBE0 path integrals (water_deepmd). Dipoles and
polarizabilities are those of another, trained on 80 boxes with sums of the dipoles of Wannier centers
(water_tensor_deepmd). It is evaluated along the frames, as `atnn spectrum --model` does. Nuclei are classical, at
300 K.

All stages leave their products in the output folder, and a run that was stopped goes on there. The spectra, errors and
minutes are kept in benchmarks/science/water_spectra.json; with them there only the picture is drawn. ``--scale``
multiplies the epochs and the picoseconds, to try the script; then nothing is kept beside it. ``--again`` takes no
notice of what is kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from benchmarks import systems
from benchmarks.science.properties import join_tensors

from atnn.data import Dataset, Frames
from atnn.documents import read_json
from atnn.dynamics import Langevin, State, Trajectory, maxwell_boltzmann, run
from atnn.files import write_atomically
from atnn.model import ModelPotential, load_model
from atnn.observables import SpectrumSettings, trajectory_spectra
from atnn.reading import open_dataset
from atnn.specification import parse
from atnn.structures import Structures
from atnn.training import RunConfig, train
from atnn.units import meV, ps

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COPIES, PICOSECONDS, EQUILIBRATION = 2, 10.0, 1.0  # of each; before it [ps]
TIMESTEP, EVERY, TEMPERATURE = 0.5, 8, 300.0  # fs; steps between frames, so that these are 4 fs apart; K
STRONG, WEAK = 0.02, 5e-4  # friction [1/fs] while it finds its temperature, and after; the second broadens by 3 cm^-1
RESOLUTION, HIGHEST = 30.0, 4100.0  # cm^-1
COMPILED = 0.1  # scale from which on compiling saves more time than it takes
KEPT = Path(__file__).with_suffix(".json")
PICTURE = systems.ROOT / "docs" / "images" / "water_spectra.png"
# Bands of the liquid at room temperature [cm^-1], and whether the source was seen; docs/spectra.md names the sources.
MEASURED: dict[str, dict[float, bool]] = {
    "infrared": {669.0: True, 1640.0: False, 3400.0: False},
    "raman": {800.0: True, 1640.0: False, 3232.0: True, 3441.0: True},
}
NAMES = ("isotropic", "anisotropic")
FAINT, MAGNIFIED = 2500.0, 20  # Raman below this [cm^-1] is drawn larger


def open_forces() -> Dataset:
    """320 boxes with energies and forces."""
    return open_dataset([str(systems.data("water_deepmd", f"data_{k}.xyz.gz")) for k in range(3)])


def train_forces(folder: Path, scale: float) -> dict[str, Any]:
    """Train the model of the forces, and tell its errors on validation boxes."""
    values = {
        "data": {
            "train": [str(systems.data("water_deepmd", f"data_{k}.xyz.gz")) for k in range(3)],
            "validation": 32,
        },
        "model": {"preset": "fast"},
        "training": {
            "epochs": max(1, round(40 * scale)),
            "batch_size": 2,
            "compile": scale >= COMPILED,
            "validate_every": 5,
        },
        "output": str(folder / "forces"),
    }
    errors = train(parse(RunConfig, values, where=__file__)).errors["validation"]
    return {"force_rmse": errors["forces"].rmse / meV}


def train_surfaces(folder: Path, scale: float) -> dict[str, Any]:
    """Train the model of dipole and polarizability, and tell its errors, relative to the spread of the labels."""
    values = {
        "data": {"train": "given", "validation": 10},
        "model": {"preset": "fast", "outputs": ["dipole", "polarizability"]},
        "training": {
            "epochs": max(1, round(150 * scale)),
            "batch_size": 2,
            "weights": {"dipole": 1.0, "polarizability": 1.0},
            "compile": scale >= COMPILED,
            "validate_every": 10,
        },
        "output": str(folder / "surfaces"),
    }
    errors = train(parse(RunConfig, values, where=__file__), {"train": Frames(join_tensors())}).errors["validation"]
    return {
        f"{name}_relative": errors[name].rmse / float(np.std(errors[name].reference - errors[name].reference.mean(0)))
        for name in ("dipole", "polarizability")
    }


def run_dynamics(folder: Path, scale: float) -> dict[str, Any]:
    """Run the copies, and tell their temperature."""
    frames = open_forces()
    chosen = frames[[0, len(frames) // 2]].structures
    structures = Structures.concatenate([chosen.select([k % 2]) for k in range(COPIES)])
    potential = ModelPotential(load_model(folder / "forces" / "model.atnn"), compile=scale >= COMPILED)
    generator = torch.Generator().manual_seed(0)
    state = State.start(structures, maxwell_boltzmann(structures, TEMPERATURE, generator))
    warm = run(
        state, potential, Langevin(TIMESTEP, TEMPERATURE, STRONG), round(scale * EQUILIBRATION * ps / TIMESTEP),
        trajectory=folder / "equilibration", every=50, generator=generator,
    )  # fmt: skip
    report = run(
        State.start(structures.replace(positions=warm.state.structures.positions), warm.state.velocities),
        potential, Langevin(TIMESTEP, TEMPERATURE, WEAK), round(scale * PICOSECONDS * ps / TIMESTEP),
        trajectory=folder / "dynamics", every=EVERY, generator=generator,
    )  # fmt: skip
    return {"temperature": report.temperature}


def compute_spectra(folder: Path, scale: float) -> dict[str, Any]:
    """Compute infrared absorption [1/cm] and Raman activities [Angstrom^4/amu/cm^-1] of a box."""
    surfaces = ModelPotential(load_model(folder / "surfaces" / "model.atnn"))
    chosen = SpectrumSettings(TEMPERATURE, resolution=max(RESOLUTION, 6.0 / scale), maximum=HIGHEST)
    found = trajectory_spectra(Trajectory(folder / "dynamics"), ("infrared", "raman"), chosen, surfaces)
    curves = {"infrared": found.curves["infrared"]["intensity"], **{n: found.curves["raman"][n] for n in NAMES}}
    overlaps = {kind: part.overlap for kind, part in found.convergence.items() if part is not None}
    frequencies = curves["infrared"].frequencies
    return {
        "frequencies": np.round(frequencies, 2).tolist(),
        "curves": {name: [float(f"{value:.4g}") for value in curve.intensity] for name, curve in curves.items()},
        "overlap_of_halves": overlaps,
    }


STAGES = {
    "forces": train_forces,
    "surfaces": train_surfaces,
    "dynamics": run_dynamics,
    "spectra": compute_spectra,
}


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """All stages; a stage that finished before is not run again. ``minutes`` are of the wall, over all attempts."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "found.json"
    found: dict[str, Any] = read_json(path) if path.exists() else {"minutes": {}, "processor_minutes": {}}
    for name, stage in STAGES.items():
        if name not in found:
            with clock(found, name, path):
                found[name] = stage(folder, scale)
            print(f"{name}: {found['minutes'][name]:.1f} minutes", flush=True)
    return found


@contextmanager
def clock(found: dict[str, Any], name: str, path: Path) -> Iterator[None]:
    """Add the minutes of a stage, also of one that is stopped, and write what was found."""
    begun = {"minutes": time.perf_counter(), "processor_minutes": time.process_time()}
    try:
        yield
    finally:
        ended = {"minutes": time.perf_counter(), "processor_minutes": time.process_time()}
        for kind in begun:
            found[kind][name] = found[kind].get(name, 0.0) + (ended[kind] - begun[kind]) / 60
        write_atomically(path, json.dumps(found, indent=1) + "\n")


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the spectra, with marks where bands were measured."""
    x = np.array(found["spectra"]["frequencies"])
    curves = {name: np.array(values) for name, values in found["spectra"]["curves"].items()}
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8.5, 6.5), sharex=True, layout="constrained")
    top.plot(x, curves["infrared"], color="#1c6ea4", label="model")
    top.set(ylabel="absorption times refractive index [1/cm]", title="Liquid water, infrared")
    scale = max(curves[name].max() for name in NAMES)
    faint = x < FAINT
    for name, color in zip(NAMES, ("#1c6ea4", "#b2602c"), strict=True):
        bottom.plot(x[~faint], curves[name][~faint] / scale, color=color, label=f"model, {name}")
        bottom.plot(x[faint], MAGNIFIED * curves[name][faint] / scale, color=color, linewidth=1.0)
    bottom.axvline(FAINT, color="0.85", linewidth=0.8)
    bottom.text(FAINT - 40, 0.9, f"{MAGNIFIED} times", ha="right")
    bottom.set(ylabel="Raman activity [largest = 1]", xlabel="wavenumber [1/cm]", title="Liquid water, Raman")
    for axes, kind in ((top, "infrared"), (bottom, "raman")):
        for seen, line, words in ((True, "-", "measured"), (False, ":", "measured, about")):
            places = [place for place, known in MEASURED[kind].items() if known == seen]
            axes.vlines(places, 0, 1, transform=axes.get_xaxis_transform(), color="0.6", linestyle=line, label=words)
        axes.set(ylim=(0, None), xlim=(0, HIGHEST))
        axes.legend(frameon=False, loc="upper right" if kind == "infrared" else "upper left")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run what is missing, print the numbers, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="runs/water-spectra")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--again", action="store_true", help="ignore what is kept beside the script")
    given = parser.parse_args()
    folder = Path(given.output)
    whole = given.scale == 1
    kept = whole and KEPT.exists() and not given.again
    found = read_json(KEPT) if kept else measure(folder, given.scale)
    if whole:
        write_atomically(KEPT, json.dumps(found) + "\n")
    draw(found, PICTURE if whole else folder / "picture.png")
    print(json.dumps({k: v for k, v in found.items() if k != "spectra"}, indent=1))
    print("from the trained models to the spectra:", summarise(found))


def summarise(found: dict[str, Any]) -> str:
    """Minutes of what comes after the training."""
    total = {k: sum(found[k][name] for name in ("dynamics", "spectra")) for k in ("minutes", "processor_minutes")}
    return f"{total['minutes']:.1f} minutes, {total['processor_minutes']:.1f} of one processor"


if __name__ == "__main__":
    main()
