"""The stages of the demonstration: each leaves its product on the disk, and takes it from there the next time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule

from atnn.active import sample_geometries
from atnn.data import Dataset, select, split, write_extxyz
from atnn.demo.settings import LEVELS, MOLECULES, DemoSettings
from atnn.documents import read_json
from atnn.dynamics import Langevin, RunReport, State, Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.dynamics.velocities import without_drift, without_rotation
from atnn.errors import DataError, LabellingError
from atnn.files import write_atomically
from atnn.labelling import LABELLERS, Labeller, LabellerPotential, TbliteLabeller, label
from atnn.model import Model, ModelPotential, Potential
from atnn.observables import NormalModes, Spectrum, SpectrumSettings, harmonic, match_modes, relax, trajectory_spectra
from atnn.reading import open_dataset
from atnn.reading.arrays import load_npy
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, TrainingResult, train
from atnn.units import ps

WORKERS = 2
TIMESTEP, EVERY = 0.5, 4  # fs; steps between frames
EQUILIBRATION = 0.125  # of the time of a trajectory
RESOLUTION, RESOLVED = 20.0, 33.4  # cm^-1; what one picosecond resolves
TEMPERATURES = (50.0, 150.0, 300.0, 500.0)  # of the sampling [K]
HELD_OUT, VALIDATION = 0.2, 0.05
LEARNED = ("energy", "forces", "dipole", "polarizability")
_LISTS = ("frequencies", "intensities", "activities")  # a number for each mode
_MODES = {name: float for name in (*_LISTS, "modes", "positions", "masses")} | {"numbers": int}


def reference_method(settings: DemoSettings, responses: tuple[str, ...] = ("polarizability",)) -> Labeller:
    """The method that labels."""
    return LABELLERS[LEVELS[settings.level].program](responses=responses)


def reference_potential(folder: Path, settings: DemoSettings) -> LabellerPotential:
    """The method that labels, driven directly."""
    return LabellerPotential(reference_method(settings), folder / "labels.db", LEARNED, workers=WORKERS)


def build_molecule(settings: DemoSettings) -> Structures:
    """The molecule before anything is done to it."""
    return Structures.from_ase(molecule(MOLECULES[settings.molecule]))


def sample(folder: Path, settings: DemoSettings) -> Structures:
    """Sample geometries. GFN2-xTB drives the sampling at both levels, because it takes thousands of forces."""
    path, reference = folder / "geometries.npy", build_molecule(settings)
    if not path.exists():
        sampled = sample_geometries(
            LabellerPotential(TbliteLabeller()), reference, settings.geometries, settings.seed, TEMPERATURES,
            spacing=30, quantum=False,
        )  # fmt: skip
        with path.with_suffix(".tmp").open("wb") as file:
            np.save(file, sampled.positions.numpy(), allow_pickle=False)
        path.with_suffix(".tmp").replace(path)
    positions, shape = load_npy(path), (settings.geometries * len(reference.numbers), 3)
    if positions.shape != shape or not np.isfinite(positions).all():
        raise _damaged(path, f"positions of the shape {positions.shape}, not the finite numbers {shape}")
    return reference.select([0] * settings.geometries).replace(positions=torch.from_numpy(positions.astype(float)))


def label_data(folder: Path, settings: DemoSettings) -> dict[str, Dataset]:
    """Label geometries, and write them as ``train``, ``validation`` and ``test`` in extended XYZ.

    Raises:
        LabellingError: More than a tenth of the calculations failed.
    """
    paths = {name: folder / f"{name}.xyz" for name in ("train", "validation", "test")}
    if not all(path.exists() for path in (*paths.values(), folder / "atoms.xyz")):
        write_extxyz(folder / "atoms.xyz", _label(_isolated_atoms(settings), folder, reference_method(settings, ())))
        labelled = _label(sample(folder, settings), folder, reference_method(settings))
        count = len(labelled.structures)
        sizes = {"test": round(HELD_OUT * count), "validation": max(2, round(VALIDATION * count))}
        parts = split(count, {**sizes, "train": count - sum(sizes.values())}, settings.seed)
        for name, path in paths.items():
            write_extxyz(path, select(labelled, parts[name]))
    return {name: open_dataset(str(path)) for name, path in paths.items()}


def _isolated_atoms(settings: DemoSettings) -> Structures:
    """The isolated atoms, in their ground states, from which energies are counted."""
    unpaired = {"H": 1, "C": 2, "O": 2}
    symbols = sorted(set(molecule(MOLECULES[settings.molecule]).symbols))
    return Structures.from_ase([Atoms(s, positions=[[0, 0, 0]], info={"spin": unpaired[s]}) for s in symbols])


def _label(structures: Structures, folder: Path, labeller: Labeller) -> Labelled:
    result = label(structures, labeller, folder / "labels.db", WORKERS)
    if result.labelled is None or len(result.failures) > 0.1 * len(structures):
        raise LabellingError(
            f"{len(result.failures)} of {len(structures)} calculations failed: {result.failures[0].reason}",
            where=str(folder / "labels.db"),
            remedy="look at the reason above; calling again computes the missing ones only",
        )
    kept = {name: result.labelled.labels[name] for name in LEARNED if name in result.labelled.labels}
    masks = {name: result.labelled.masks[name] for name in kept}
    return Labelled(result.labelled.structures, kept, masks)


def train_model(folder: Path, settings: DemoSettings) -> TrainingResult:
    """Train a REANN with energy and dipole."""
    weights = {"energy": 0.01, "forces": 1.0, "dipole": 1.0}
    return _train(folder, settings, "training", ("energy", "dipole"), settings.rounds, weights)


def train_surface(folder: Path, settings: DemoSettings) -> TrainingResult:
    """Train a REANN of its own for the polarizability.

    In one model with the energy it would make each step twice as long, because its tensors would be differentiated with
    the forces, and the forces worse.
    """
    rounds, weights = min(1, settings.rounds), {"polarizability": 1.0}
    return _train(folder, settings, "training-polarizability", ("polarizability",), rounds, weights, batch_size=30)


def _train(
    folder: Path,
    settings: DemoSettings,
    name: str,
    outputs: tuple[str, ...],
    rounds: int,
    weights: dict[str, float],
    batch_size: int = 8,
) -> TrainingResult:
    representation = {"name": "reann", "cutoff": 4.0, "channels": 8, "rounds": rounds, "hidden": [32, 32]}
    config = {
        "data": {
            **({"isolated": str(folder / "atoms.xyz")} if "energy" in outputs else {}),
            **{name: str(folder / f"{name}.xyz") for name in ("train", "validation", "test")},
        },
        "model": {"representation": representation, "outputs": outputs, "hidden": [32, 32]},
        "training": {
            "epochs": settings.epochs,
            "batch_size": batch_size,
            "learning_rate": 1e-2,
            "ema": 0.99,
            "weights": weights,
            "validate_every": max(1, settings.epochs // 50),
        },
        "output": str(folder / name),
        "seed": settings.seed,
    }
    return train(parse(RunConfig, config, where="demo"))


def find_modes(potential: Potential, settings: DemoSettings, path: Path) -> NormalModes:
    """Harmonic vibrations at the potential's own minimum, by the same routine for the model and the reference."""
    if not path.exists():
        found = harmonic(potential, relax(potential, build_molecule(settings), fmax=1e-3))
        content = {name: np.asarray(getattr(found, name)).tolist() for name in _MODES}
        content |= {"rigid": found.rigid, "largest_force": found.largest_force}
        write_atomically(path, json.dumps(content))
    content, atoms = read_json(path), len(build_molecule(settings).numbers)
    try:
        arrays: dict[str, Any] = {name: np.array(content[name], dtype=kind) for name, kind in _MODES.items()}
        found = NormalModes(**arrays, rigid=int(content["rigid"]), largest_force=float(content["largest_force"]))
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _damaged(path, error) from error
    count = len(found.frequencies) if found.frequencies.ndim else 0
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_LISTS, (count,))
    shapes |= {"modes": (count, atoms, 3), "positions": (atoms, 3)}
    for name, shape in {**shapes, "numbers": (atoms,), "masses": (atoms,)}.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise _damaged(path, f"{name} of the shape {arrays[name].shape}, not the finite numbers {shape}")
    return found


def _damaged(path: Path, problem: object) -> DataError:
    return DataError(f"is damaged: {problem}", where=str(path), remedy="remove this file, and run the demo again")


def pair_modes(model: NormalModes, direct: NormalModes) -> np.ndarray:
    """Index of the direct mode that each mode of the model is, by the overlap of their motion."""
    return match_modes(model, direct).order


def run_dynamics(folder: Path, settings: DemoSettings, model: Model) -> RunReport:
    """Run trajectories at constant energy from canonical starts, without overall rotation.

    Rotation broadens the lines of a molecule into branches. Without it they can be compared with harmonic ones.
    """
    minimum = torch.tensor(find_modes(ModelPotential(model), settings, folder / "modes-model.json").positions)
    structures = build_molecule(settings).select([0] * settings.copies)
    structures = structures.replace(positions=minimum.repeat(settings.copies, 1))
    potential = ModelPotential(model)
    generator = torch.Generator().manual_seed(settings.seed)
    velocities = maxwell_boltzmann(structures, 2 * settings.temperature, generator)
    steps = round(settings.picoseconds * ps / TIMESTEP)
    hot = run(
        State.start(structures, velocities),
        potential,
        Langevin(TIMESTEP, settings.temperature, 0.02),
        round(EQUILIBRATION * steps),
        trajectory=folder / "equilibration",
        every=max(1, round(EQUILIBRATION * steps / 10)),
        chunk=1,
        generator=generator,
    ).state
    still = without_drift(hot.structures, hot.velocities, hot.masses)
    still = without_rotation(hot.structures, still, hot.masses)
    return run(
        State.start(hot.structures, still),
        potential,
        VelocityVerlet(TIMESTEP),
        steps,
        trajectory=folder / "dynamics",
        every=EVERY,
    )


def compute_spectra(folder: Path, settings: DemoSettings, report: RunReport, surface: Potential) -> dict[str, Spectrum]:
    """Spectra of the trajectories at the temperature that they have.

    Args:
        folder: Folder of the demonstration.
        settings: Its settings.
        report: Report of the run.
        surface: Gives the polarizability along the frames, which hold the dipole.

    Returns:
        ``infrared`` and ``raman``, the latter of all scattered light.
    """
    resolution = max(RESOLUTION, 1.01 * RESOLVED / settings.picoseconds)
    chosen = SpectrumSettings(report.temperature, resolution=resolution, maximum=4500.0)
    found = trajectory_spectra(Trajectory(folder / "dynamics"), ("infrared", "raman"), chosen, surface)
    return {kind: curves["intensity"] for kind, curves in found.curves.items()}
