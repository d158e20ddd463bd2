"""Jobs for the kill test: small runs of each long command, what they have made durable, and what they give.

Every job appends a letter to ``work`` for each unit of work that it does: a step of the optimizer, a call of the
potential, a calculation, a batch of frames.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from torch.optim.optimizer import register_optimizer_step_post_hook

from atnn.data import Store, write_extxyz
from atnn.dynamics import Langevin, State, Trajectory, VelocityVerlet, maxwell_boltzmann, run
from atnn.errors import AtnnError
from atnn.labelling import label
from atnn.labelling.store import LabelStore
from atnn.model import load_model
from atnn.reading import conversion
from atnn.structures import Labelled, Structures
from atnn.training import read_history
from atnn.training.checkpoint import load_checkpoint
from dynamics.analytic import Morse, diatomics
from labelling.doubles import Springs
from training import runs

STEPS, EPOCHS, STRUCTURES, FRAMES = 1500, 12, 150, 6000


class Job(NamedTuple):
    """A long command.

    Attributes:
        run: Begins or continues it in a folder.
        kept: What is durable there: name -> hash.
        result: Hash of what the finished job gives.
    """

    run: Callable[[Path], object]
    kept: Callable[[Path], dict[str, str]]
    result: Callable[[Path], str]


def _count(folder: Path) -> None:
    handle = os.open(folder / "work", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, b"x")
    os.close(handle)


def _hash(*tensors: torch.Tensor | np.ndarray) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(np.asarray(tensor).tobytes())
    return digest.hexdigest()


class _Counting(Morse):
    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def __call__(self, structures, outputs):
        _count(self.folder)
        return super().__call__(structures, outputs)


class _CountingSprings(Springs):
    def __call__(self, structure):
        _count(Path(self.log).parent)
        return super().__call__(structure)


def _train(folder: Path) -> None:
    register_optimizer_step_post_hook(lambda *_: _count(folder))
    runs.run(folder / "run", epochs=EPOCHS)


def _epochs(folder: Path) -> dict[str, str]:
    """Rows of the history without the seconds, and the checkpoint must load."""
    checkpoint, history = folder / "run" / "checkpoint.safetensors", folder / "run" / "history.csv"
    if not checkpoint.exists() or not history.exists():
        return {}
    load_checkpoint(checkpoint)
    rows = [{key: value for key, value in row.items() if "seconds" not in key} for row in read_history(history.parent)]
    return {f"epoch {number}": repr(row) for number, row in enumerate(rows)}


def _dynamics(integrator: Callable[[], object]) -> Job:
    def go(folder: Path) -> object:
        generator = torch.Generator().manual_seed(3)
        structures = diatomics(4)
        state = State.start(structures, maxwell_boltzmann(structures, 300.0, generator))
        options = {"trajectory": folder / "run.traj", "every": 2, "generator": generator, "chunk": 20}
        return run(state, _Counting(folder), integrator(), STEPS, **options)

    def frames(folder: Path) -> dict[str, str]:
        if not (folder / "run.traj" / "header.json").exists():
            return {}
        opened = Trajectory(folder / "run.traj")
        whole = 20 * sum(count == 20 for count in opened.chunk_lengths)
        if not whole:
            return {}
        parts = [opened.read(name)[:whole] for name in opened.quantities]
        return {f"frame {index}": _hash(*(part[index] for part in parts)) for index in range(whole)}

    def result(folder: Path) -> str:
        opened = Trajectory(folder / "run.traj")
        return _hash(*(opened.read(name) for name in opened.quantities))

    return Job(go, frames, result)


def _molecules() -> Structures:
    rng = np.random.default_rng(0)
    return Structures.from_ase([Atoms("CH", positions=rng.normal(size=(2, 3))) for _ in range(STRUCTURES)])


def _labelling(workers: int) -> Job:
    def go(folder: Path):
        return label(_molecules(), _CountingSprings(str(folder / "log"), 0.003), folder / "labels.db", workers)

    def labels(folder: Path) -> dict[str, str]:
        if not (folder / "labels.db").exists():
            return {}
        with LabelStore(folder / "labels.db") as store:
            keys = [row[0] for row in store._database.execute("SELECT key FROM calculations")]
            return {key: _hash(*(value for _, value in sorted(store.read(key).items()))) for key in keys}

    def result(folder: Path) -> str:
        found = label(_molecules(), Springs(str(folder / "log")), folder / "labels.db", 0)
        assert found.computed == 0 and found.labelled is not None
        return _hash(*(value for _, value in sorted(found.labelled.labels.items())))

    return Job(go, labels, result)


def write_frames(path: Path) -> None:
    """The file that is converted."""
    rng = np.random.default_rng(0)
    water = molecule("H2O")
    structures = Structures.from_ase([water] * FRAMES)
    positions = structures.positions + torch.from_numpy(rng.normal(scale=0.05, size=structures.positions.shape))
    labels = {"energy": torch.from_numpy(rng.normal(size=FRAMES))}
    write_extxyz(path, Labelled(structures.replace(positions=positions), labels, {"energy": torch.ones(FRAMES) > 0}))


def _convert(folder: Path) -> None:
    source = folder.parent / "frames.xyz"
    inner = conversion.stream

    def counted(*arguments, **options):
        for batch in inner(*arguments, **options):
            _count(folder)
            yield batch

    conversion.stream = counted
    conversion.convert(source, folder / "frames.h5")


def _converted(folder: Path) -> dict[str, str]:
    try:
        return {"store": _store(folder)} if (folder / "frames.h5").exists() else {}
    except AtnnError as error:
        return {"store": f"torn: {error}"}


def _store(folder: Path) -> str:
    store = Store(folder / "frames.h5")
    store.verify()
    found = store[:]
    return _hash(found.structures.positions, found.labels["energy"])


def _weights(folder: Path) -> str:
    return _hash(*load_model(folder / "run" / "model.atnn").state_dict().values())


JOBS = {
    "training": Job(_train, _epochs, _weights),
    "dynamics, verlet": _dynamics(lambda: VelocityVerlet(0.5)),
    "dynamics, langevin": _dynamics(lambda: Langevin(0.5, 300.0, 0.02)),
    "labelling": _labelling(0),
    "labelling, 2 workers": _labelling(2),
    "conversion": Job(_convert, _converted, _store),
}
