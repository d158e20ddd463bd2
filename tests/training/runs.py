"""Small data and runs for the training tests; also a script: ``runs.py FOLDER EPOCHS [BATCH_ATOMS]`` trains and prints.

The script dies by SIGKILL when it is about to put checkpoint number ``KILL_AT`` in place, and any process but the first
may write nothing at all. It is started with ``ENVIRONMENT``, so that it imports the atnn that the tests import.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from atnn.data import Frames
from atnn.structures import Labelled, Structures
from atnn.training import DataConfig, ModelConfig, RunConfig, TrainingConfig, train

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
TINY = {"name": "reann", "cutoff": 4.0, "channels": 3, "rounds": 1, "hidden": [8], "densities": 6}


def labelled(count=24, seed=0, dipole=False):
    """Rattled ethanol and water with EMT energies and forces, and the dipoles of fixed charges."""
    rng = np.random.default_rng(seed)
    frames, energies, forces, dipoles = [], [], [], []
    charges = {1: 0.2, 6: -0.1, 8: -0.4}
    for index in range(count):
        atoms = molecule("CH3CH2OH" if index % 3 else "H2O")
        atoms.positions += rng.normal(scale=0.06, size=atoms.positions.shape)
        atoms.calc = EMT()
        frames.append(atoms)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        q = np.array([charges[z] for z in atoms.numbers])
        dipoles.append((q - q.mean()) @ atoms.positions)
    labels = {"energy": torch.tensor(energies), "forces": torch.from_numpy(np.concatenate(forces))}
    if dipole:
        labels["dipole"] = torch.from_numpy(np.array(dipoles))
    structures = Structures.from_ase(frames)
    return Labelled(structures, labels, {name: torch.ones(count, dtype=torch.bool) for name in labels})


def crystals_and_molecules(count=8, seed=0):
    """Rattled copper crystals, whose stress is known, and water molecules, which have none; EMT."""
    rng = np.random.default_rng(seed)
    frames, energies, forces, stresses = [], [], [], []
    for index in range(count):
        atoms = bulk("Cu", cubic=True) if index % 2 else molecule("H2O")
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.calc = EMT()
        frames.append(atoms)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress(voigt=False) if index % 2 else np.zeros((3, 3)))
    labels = {"energy": torch.tensor(energies), "forces": torch.from_numpy(np.concatenate(forces))}
    labels["stress"] = torch.from_numpy(np.array(stresses))
    masks = {name: torch.ones(count, dtype=torch.bool) for name in labels}
    masks["stress"] = torch.arange(count) % 2 == 1
    return Labelled(Structures.from_ase(frames), labels, masks)


def config(folder, outputs=("energy",), **training):
    values = {"epochs": 4, "batch_size": 5, "checkpoint_seconds": 0.0, "warmup": 5, **training}
    return RunConfig(
        data=DataConfig(train="unused", validation=6),
        model=ModelConfig(representation=TINY, outputs=outputs, hidden=(8,)),
        training=TrainingConfig(**values),
        output=str(folder),
        seed=5,
    )


def run(folder, outputs=("energy",), data=None, **training):
    data = labelled(dipole="dipole" in outputs) if data is None else data
    return train(config(folder, outputs, **training), {"train": Frames(data)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    _replace, _left = os.replace, int(os.environ.get("KILL_AT", "0"))

    def _guarded(source, target):
        global _left
        assert os.environ.get("RANK", "0") == "0", "only the first process writes"
        _left -= Path(target).name == "checkpoint.safetensors"
        if _left == 0 and "KILL_AT" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
        _replace(source, target)

    os.replace = _guarded
    batch_atoms = int(sys.argv[3]) if len(sys.argv) > 3 else None
    result = run(Path(sys.argv[1]), epochs=int(sys.argv[2]), dtype="float64", batch_atoms=batch_atoms)
    print("finished", result.finished)
