"""Pretraining: the surface of a cheap method is learned first, on many more geometries than the data hold.

A model that knows the shape of a surface from a cheap method needs few labels of a good one, and stays sensible at
geometries that only the cheap method has seen. Nothing about the model changes.

Source: transfer learning between levels of theory, J. S. Smith et al., Nat. Commun. 10, 2903 (2019),
doi:10.1038/s41467-019-10827-4.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from atnn.active.sampling import find_contacts
from atnn.data import Dataset, select, write_extxyz
from atnn.dynamics import Langevin, State, Trajectory, maxwell_boltzmann, run
from atnn.dynamics.stopping import too_far
from atnn.errors import DynamicsError, LabellingError, SpecificationError
from atnn.labelling import find_labeller, label
from atnn.model import Model, ModelPotential, Potential
from atnn.reading import read
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, PretrainConfig, RunConfig, train
from atnn.training.distributed import Processes
from atnn.training.sets import open_sets

log = logging.getLogger("atnn")
FOLDER = "pretraining"
FRAMES = 20  # of each trajectory
FRICTION = 0.02  # 1/fs
SPARE = 1.2  # geometries sampled for each that is wanted, because some are refused
LARGEST_FORCE = 30.0  # eV/Angstrom; beyond it a geometry teaches nothing that dynamics meets
DRAFT = 0.25  # share of the steps that the draft is trained for
VALIDATION = 0.05


def pretrain(config: RunConfig, datasets: Mapping[str, Dataset] | None = None) -> Model:
    """Learn the surface of the cheap method of ``config.pretrain``, or go on where an earlier call was stopped.

    The training geometries are labelled by the cheap method, and a draft is trained on them. Langevin dynamics on the
    draft, from these geometries and at all temperatures, gives further ones, which are labelled too. Then the draft
    is trained on all of them. Everything is kept in the folder ``pretraining`` of the run: ``labels.db``,
    ``labelled.xyz``, and the trainings ``draft`` and ``surface``.

    Args:
        config: The run.
        datasets: Data sets to use instead of the files of the configuration, as for :func:`atnn.training.train`.

    Returns:
        The model to give to :func:`atnn.training.train` as ``start``.

    Raises:
        SpecificationError: The run has no ``pretrain``, or its model knows elements that the data lack.
        LabellingError: The cheap method is not installed, or fails for most geometries.
        DataError: The data cannot be used.
    """
    if config.pretrain is None:
        raise SpecificationError("the configuration has no `pretrain`", remedy="add pretrain: {method: GFN2-xTB}")
    if config.model.elements:
        raise SpecificationError(
            "pretraining knows the elements of the data only", where="model.elements", remedy="leave one of them out"
        )
    folder, processes = Path(config.output) / FOLDER, Processes()
    folder.mkdir(parents=True, exist_ok=True)
    with _first_of(processes):
        whole = open_sets(config, folder, datasets).train
    # Half of the cheap labels at most are of known geometries.
    chosen = np.unique(np.linspace(0, len(whole) - 1, config.pretrain.structures // 2).round().astype(int))
    known = whole[chosen].structures.to(dtype=torch.float64)
    with _first_of(processes):
        data = _label_known(config.pretrain, folder, known)
    draft = _train(config, folder, "draft", data)
    with _first_of(processes):
        data = _label_sampled(config, folder, draft, known)
    return _train(config, folder, "surface", data, draft)


@contextmanager
def _first_of(processes: Processes) -> Iterator[None]:
    """Let the first process write a file while the others wait, and then find it."""
    if not processes.first:
        processes.wait()
    yield
    if processes.first:
        processes.wait()


def _label_known(settings: PretrainConfig, folder: Path, known: Structures) -> Path:
    path = folder / "known.xyz"
    if not path.exists():
        write_extxyz(path, _label(settings, folder, known))
    return path


def _label_sampled(config: RunConfig, folder: Path, draft: Model, known: Structures) -> Path:
    """Sample geometries by dynamics on the draft, and label them; the known ones come first."""
    path, settings = folder / "labelled.xyz", config.pretrain
    assert settings is not None
    if not path.exists():
        potential = ModelPotential(draft, compile=config.training.compile)
        sampled = sample_dynamics(potential, known, settings, config.seed, folder)
        chosen = np.random.default_rng(config.seed).permutation(len(sampled))[: settings.structures - len(known)]
        write_extxyz(path, _label(settings, folder, Structures.concatenate([known, sampled.select(np.sort(chosen))])))
    return path


def sample_dynamics(
    potential: Potential, starts: Structures, settings: PretrainConfig, seed: int, folder: Path
) -> Structures:
    """Sample geometries by Langevin dynamics at all temperatures, about a fifth more than are wanted.

    Trajectories that leave what the model knows end, and geometries with atoms too close are left out.

    Args:
        potential: Drives the dynamics.
        starts: Geometries from which trajectories start.
        settings: Number of geometries, temperatures, timestep and spacing.
        seed: Equal seeds give equal geometries.
        folder: Folder of the trajectories; a call that finds some there goes on with them.

    Raises:
        DynamicsError: No trajectory stayed sensible.
    """
    copies = math.ceil(SPARE * settings.structures / (FRAMES * len(settings.temperatures)))
    starts = starts.select(np.linspace(0, len(starts) - 1, copies).round().astype(int))
    parts = []
    for temperature in settings.temperatures:
        path = folder / f"dynamics-{temperature:g}K"
        _run_langevin(potential, starts, temperature, settings, seed, path)
        trajectory = Trajectory(path)
        parts += [trajectory.structures(frame) for frame in range(1, len(trajectory))]
    parts = [part.select(~find_contacts(part)) for part in parts if len(part)]
    if not sum(len(part) for part in parts):
        raise DynamicsError(
            "the draft of the cheap surface keeps no trajectory sensible",
            where=str(folder),
            remedy="lower pretrain.temperatures or pretrain.timestep, or give more training geometries",
        )
    return Structures.concatenate(part.to(dtype=torch.float64) for part in parts if len(part))


def _run_langevin(
    potential: Potential, starts: Structures, temperature: float, settings: PretrainConfig, seed: int, path: Path
) -> None:
    generator = torch.Generator().manual_seed(seed)
    starts = starts.to(dtype=torch.float32)
    state = State.start(starts, maxwell_boltzmann(starts, temperature, generator))
    integrator = Langevin(settings.timestep, temperature, FRICTION)
    steps, every = FRAMES * settings.spacing, settings.spacing
    faults = (too_far(settings.timestep),)
    try:
        run(
            state, potential, integrator, steps,
            trajectory=path, every=every, generator=generator, outputs=(), faults=faults, chunk=1,
        )  # fmt: skip
    except DynamicsError as error:
        log.info("all trajectories at %g K ended: %s", temperature, error)


def _label(settings: PretrainConfig, folder: Path, structures: Structures) -> Labelled:
    """Label structures by the cheap method, without those that are far from everything.

    Raises:
        LabellingError: Less than half of the calculations are of use.
    """
    structures = _wrap(structures)
    result = label(structures, find_labeller(settings.method), folder / "labels.db", settings.workers)
    kept = []
    if result.labelled is not None:
        if "forces" not in result.labelled.labels:
            raise LabellingError(
                "the method gives no forces", where=f"pretrain.method: {settings.method}", remedy="choose another one"
            )
        forces = result.labelled.labels["forces"].abs().amax(1)
        largest = forces.new_zeros(len(result.labelled.structures))
        largest = largest.scatter_reduce(0, result.labelled.structures.batch, forces, "amax")
        kept = (largest < LARGEST_FORCE).nonzero()[:, 0].tolist()
    refused = len(result.indices) - len(kept)
    log.info(
        "%s: %d structures labelled, %d failed, %d with forces above %g eV/Angstrom left out",
        settings.method, len(result.indices), len(result.failures), refused, LARGEST_FORCE,
    )  # fmt: skip
    if result.labelled is None or len(kept) < 0.5 * len(structures):
        reason = result.failures[0].reason if result.failures else f"forces above {LARGEST_FORCE:g} eV/Angstrom"
        raise LabellingError(
            f"{len(kept)} of {len(structures)} structures have labels of use ({reason})",
            where=str(folder / "labels.db"),
            remedy="look at the geometries, the charges and the spins, or choose another pretrain.method",
        )
    return select(result.labelled, kept)


def _wrap(structures: Structures) -> Structures:
    """Bring atoms that dynamics has carried out of their periodic cell back into it."""
    frames = structures.to_ase()
    for frame in frames:
        frame.wrap()
    return Structures.from_ase(frames)


def _train(config: RunConfig, folder: Path, name: str, data: Path, start: Model | None = None) -> Model:
    """Train on cheap labels; the draft takes a quarter of the steps."""
    assert config.pretrain is not None
    own = config.pretrain.training
    changed = {key: getattr(own, key) for key in own.model_fields_set}
    training = config.training.model_copy(update={"max_minutes": None, **changed})
    labelled = read(data)
    if name == "draft":
        share = DRAFT * config.pretrain.structures / len(labelled)
        training = training.model_copy(update={"epochs": max(1, round(share * training.epochs))})
    labels = set(labelled.labelled.labels)
    weights = {quantity: weight for quantity, weight in training.weights.items() if quantity in labels}
    if missing := sorted(set(training.weights) - set(weights)):
        log.info("%s does not give %s, which is learned later", config.pretrain.method, ", ".join(missing))
    return train(
        config.model_copy(
            update={
                "data": DataConfig(train=data.name, validation=VALIDATION),
                "training": training.model_copy(update={"weights": weights}),
                "pretrain": None,
                "output": str(folder / name),
            }
        ),
        {"train": labelled},
        start,
    ).model
