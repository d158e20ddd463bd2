"""One side of against.py: runs its jobs block by block with the atnn that PYTHONPATH names, as the driver asks.

Only public names that both commits have are used here. Requests and answers are lines of JSON on standard input and
output; everything else that is printed goes to standard error.
"""

from __future__ import annotations

import functools
import gc
import itertools
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from benchmarks import systems

import atnn
import atnn.kernels
from atnn.dynamics import Langevin, State, VelocityVerlet, maxwell_boltzmann, run
from atnn.training import load_config

ELEMENTS = (1, 6, 8)
DISPERSION = {"functional": "pbe", "cutoff": 8.0}
TIMED: dict[str, dict[str, Any]] = {
    "eann": {"representation": {"name": "eann", "cutoff": 6.0}},
    "reann": {"representation": {"name": "reann", "cutoff": 5.0}, "outputs": ("energy", "dipole")},
    "accurate": {"representation": {"name": "neat", "cutoff": 5.0, "channels": 64}, "hidden": (16,)},
    "spookynet": {
        "representation": {"name": "spookynet", "channels": 64, "rounds": 3},
        "outputs": ("energy", "charges"),
        "terms": ({"name": "electrostatics"}, {"name": "d4"} | DISPERSION),
    },
}
BOTH = ("energy", "dipole")
EANN = {"name": "eann", "cutoff": 4.0, "channels": 4}
REANN = {"name": "reann", "cutoff": 4.0, "channels": 3, "rounds": 2, "hidden": (8, 8)}
NEAT = {"name": "neat", "cutoff": 4.0, "channels": 3, "radial": 4}
SPOOKYNET = {"name": "spookynet", "cutoff": 4.0, "channels": 6, "rounds": 2, "radial": 6, "random_features": 16}
COMPARED: dict[str, dict[str, Any]] = {
    "acsf": {"representation": {"name": "acsf", "cutoff": 4.0, "radial": 5, "angular": 2, "zetas": (1, 3)}},
    "eann": {"representation": EANN},
    "equireann": {"representation": REANN | {"name": "equireann"}, "outputs": BOTH},
    "gmp": {"representation": {"name": "gmp", "cutoff": 4.0, "sigmas": (0.4, 0.8, 1.4)}, "outputs": BOTH},
    "neat": {"representation": NEAT, "outputs": BOTH},
    "nemp": {
        "representation": {"name": "nemp", "cutoff": 4.0, "channels": 3, "radial": 4, "hidden": (8,)},
        "outputs": BOTH,
    },
    "reann": {"representation": REANN, "outputs": BOTH},
    "spookynet": {"representation": SPOOKYNET, "outputs": BOTH},
    "shared networks": {"representation": REANN, "outputs": BOTH, "networks": "shared", "blocks": 2},
    "conditions": {"representation": EANN, "conditions": ("charge", "spin"), "networks": "shared"},
    "dipole alone": {"representation": EANN, "outputs": ("dipole",)},
    "zbl, d3": {"representation": EANN, "terms": ({"name": "zbl"}, {"name": "d3"} | DISPERSION)},
    "charges in energy": {"representation": EANN, "outputs": ("energy", "charges"), "charges_in_energy": True},
    "equilibration, electrostatics, d4": {
        "representation": EANN,
        "outputs": ("energy", "charges"),
        "charges": {"name": "equilibration"},
        "charges_in_energy": True,
        "terms": ({"name": "electrostatics"}, {"name": "d4"} | DISPERSION),
    },
    "atomic dipoles through a mesh, learnable zbl": {
        "representation": REANN,
        "outputs": BOTH,
        "terms": ({"name": "electrostatics", "dipoles": True, "method": "mesh"}, {"name": "zbl", "learnable": True}),
    },
    "latent electrostatics, d3": {
        "representation": NEAT,
        "terms": ({"name": "latent_electrostatics", "channels": 2}, {"name": "d3"} | DISPERSION),
    },
    "spookynet, every charge": {
        "representation": SPOOKYNET,
        "outputs": BOTH,
        "terms": ({"name": "electrostatics"}, {"name": "latent_electrostatics"}, {"name": "d4"} | DISPERSION),
    },
}  # fmt: skip
VERSION_1 = systems.ROOT / "tests" / "model" / "fixtures" / "model_v1.atnn"
FRAMES, BATCH = 128, 8  # of a training
COPIES, STEPS, TIMESTEP = 32, 50, 0.25  # of dynamics; the timestep in fs


class Finished(Exception):
    """The driver has enough blocks of this job."""


class Clock:
    """Times a job block by block, and lets it wait while the other side runs."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # what libraries print must not mix with the answers
        self._begun = time.process_time(), time.perf_counter()

    def receive(self) -> list[Any]:
        """The next request; the end of the program where there is none."""
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        return json.loads(line)

    def answer(self, value: Any) -> None:
        """What the request gave."""
        print(json.dumps(value), file=self._answers)

    def __call__(self) -> int:
        """Tell the seconds of processor and wall since the last call, wait, and return the calls of the next block.

        Raises:
            Finished: There is no next block.
        """
        now = time.process_time(), time.perf_counter()
        self.answer([new - old for new, old in zip(now, self._begun, strict=True)])
        request, *arguments = self.receive()
        if request == "end":
            raise Finished
        gc.collect()
        gc.freeze()  # what compiling left behind would be searched again and again, in one process more than in another
        self._begun = time.process_time(), time.perf_counter()
        return int(arguments[0])


class Job(NamedTuple):
    """What is timed: seconds of a call times ``factor`` are in ``unit``."""

    work: Callable[[Clock], None]
    unit: str
    factor: float


def jobs() -> dict[str, Job]:
    """Everything that is timed, by name."""
    found: dict[str, Job] = {}
    paths = [*itertools.product(TIMED, (True,)), ("eann", False)]
    for (name, compiled), system in itertools.product(paths, ("waters", "ethanol")):
        path = "" if compiled else "/eager"
        found[f"inference/{name}/{system}{path}"] = Job(
            functools.partial(infer, name=name, system=system, compiled=compiled), "ms/call", 1e3
        )
    outputs = ("energy", "forces", "dipole")
    work = functools.partial(infer, name="reann", system="waters", compiled=True, outputs=outputs)
    found["inference/reann/waters/dipole"] = Job(work, "ms/call", 1e3)
    work = functools.partial(infer, name="eann", system="waters", compiled=True, fresh=True)
    found["inference/eann/waters/list each call"] = Job(work, "ms/call", 1e3)
    # SpookyNet with its terms takes too many minutes to compile for training.
    trained = [
        (name, compiled) for name in TIMED for compiled in (False, True) if (name, compiled) != ("spookynet", True)
    ]
    for name, compiled in trained:
        work = functools.partial(learn, name=name, compiled=compiled)
        found[f"training/{name}/{'compiled' if compiled else 'eager'}"] = Job(work, "ms/step", 1e3 * BATCH / FRAMES)
    factor = 1e6 / (STEPS * COPIES * len(molecule("CH3CH2OH")))
    for name in ("verlet", "langevin"):
        found[f"dynamics/eann/{name}"] = Job(functools.partial(move, integrator=name), "us/atom/step", factor)
    return found


@functools.cache
def potential(name: str, compiled: bool) -> Any:
    """A timed model; its graphs are compiled once for all jobs."""
    return atnn.ModelPotential(atnn.load_model(f"{name}.atnn"), compile=compiled)


def infer(
    clock: Clock,
    name: str,
    system: str,
    compiled: bool,
    outputs: tuple[str, ...] = ("energy", "forces"),
    fresh: bool = False,
) -> None:
    """Evaluate a model on one system, ``fresh`` with a new pair list every time."""
    model, atoms = potential(name, compiled), systems.waters(4) if system == "waters" else ethanol()
    structures = atnn.Structures.from_ase(atoms, dtype=torch.float32)
    calls = 3
    while True:
        for _ in range(calls):
            if fresh:
                model.forget()
            model(structures, outputs)
        calls = clock()


def learn(clock: Clock, name: str, compiled: bool) -> None:
    """Train a model; a call is an epoch with its validation on one structure."""
    folder = Path(tempfile.mkdtemp(dir="."))
    weights = {"energy": 0.1, "forces": 1.0} | ({"dipole": 1.0} if "dipole" in TIMED[name].get("outputs", ()) else {})
    training = {"epochs": 10**6, "batch_size": BATCH, "weights": weights, "compile": compiled}
    values = {"data": {"train": "frames.xyz"}, "model": TIMED[name], "output": str(folder / "run")}
    (folder / "run.yaml").write_text(json.dumps(values | {"training": training | {"checkpoint_seconds": 1e6}}))
    frames = {part: atnn.open_dataset(f"{part}.xyz") for part in ("frames", "validation")}
    paced = Paced(frames["validation"], folder / "run" / "history.csv", clock)
    atnn.train(load_config(folder / "run.yaml"), {"train": frames["frames"], "validation": paced})


class Paced:
    """A data set for validation that waits for the driver whenever a training looks at it.

    It begins to do so after the first validation, which leaves ``history``: everything is compiled then.
    """

    def __init__(self, whole: Any, history: Path, clock: Clock):
        self._whole, self._history, self._clock, self._left = whole, history, clock, 1

    def __len__(self) -> int:
        return len(self._whole)

    def __getitem__(self, indices: Any) -> Any:
        if self._history.exists():
            self._left -= 1
            if self._left == 0:
                self._left = self._clock()
        return self._whole[indices]

    @property
    def summary(self) -> Any:
        """That of the whole."""
        return self._whole.summary


def move(clock: Clock, integrator: str) -> None:
    """Run dynamics of many copies of a molecule from the same start; a call is a short run."""
    structures = atnn.Structures.from_ase([ethanol()] * COPIES, dtype=torch.float32)
    velocities = maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(0))
    rule = VelocityVerlet(TIMESTEP) if integrator == "verlet" else Langevin(TIMESTEP, 300.0, 0.01)
    model, calls = potential("eann", True), 1
    while True:
        for _ in range(calls):
            generator = torch.Generator().manual_seed(0)
            run(State.start(structures, velocities), model, rule, STEPS, generator=generator)
        calls = clock()


def ethanol() -> Atoms:
    """A distorted molecule of 9 atoms."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    return atoms


def label_frames(count: int, seed: int) -> list[Atoms]:
    """Distorted ethanol with springs between all atoms and the dipole of fixed charges."""
    start, charges = molecule("CH3CH2OH"), {1: 0.1, 6: -0.1, 8: -0.4}
    lengths, frames = start.get_all_distances(), []
    for index in range(count):
        atoms = start.copy()
        atoms.rattle(0.1, seed=1000 * seed + index)
        vectors = atoms.positions[None] - atoms.positions[:, None]
        distances = np.linalg.norm(vectors, axis=2) + np.eye(len(atoms))
        stretches = distances - lengths - np.eye(len(atoms))
        forces = 2.0 * (stretches / distances)[:, :, None] * vectors
        dipole = np.array([charges[z] for z in atoms.numbers]) @ atoms.positions
        results = {"energy": 0.5 * (stretches**2).sum(), "forces": forces.sum(1), "dipole": dipole}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames


def write_files() -> None:
    """Models and data that both sides read."""
    for seed, (part, count) in enumerate({"frames": FRAMES, "validation": 1}.items()):
        write(f"{part}.xyz", label_frames(count, seed), format="extxyz")
    for name, values in TIMED.items():
        model = atnn.Model(atnn.ModelSpecification(elements=ELEMENTS, **values))
        atnn.save_model(f"{name}.atnn", model)
    for seed, (name, values) in enumerate(COMPARED.items()):
        energies = {z: -0.1 * z for z in ELEMENTS}
        model = atnn.Model(atnn.ModelSpecification(elements=ELEMENTS, **values), energies, seed=seed).double()
        generator = torch.Generator().manual_seed(seed)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():  # what starts at zero or one would hide a part that is lost
                tensor += 0.05 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        atnn.save_model(f"compared {name}.atnn", model)


def evaluate(name: str) -> dict[str, dict[str, Any]]:
    """Everything that a file's model gives, by system and quantity."""
    path = f"compared {name}.atnn" if name in COMPARED else VERSION_1
    found = {}
    for system, frames in compared_systems(COMPARED.get(name, {})).items():
        model = atnn.ModelPotential(atnn.load_model(path).double())
        structures = atnn.Structures.from_ase(frames)
        outputs = sorted(model.outputs if bool(structures.pbc.all()) else model.outputs - {"stress"})
        found[system] = {quantity: value.tolist() for quantity, value in model(structures, outputs).items()}
    return found


def compared_systems(values: dict[str, Any]) -> dict[str, list[Atoms]]:
    """Molecules, a liquid and a layer; ions and radicals for models that know of them."""
    layer = systems.waters(2)
    layer.cell[2, 2], layer.pbc = 40.0, (True, True, False)
    found = {"molecules": [ethanol(), molecule("H2O")], "liquid": [systems.waters(2)], "layer": [layer]}
    conditions = {"charge", "spin"} & set(values.get("conditions", ()))
    if values.get("representation", {}).get("name") == "spookynet":
        conditions = {"charge", "spin"}
    if conditions or {"charges", "dipole"} & set(values.get("outputs", ())):
        cation = Atoms("OH3", [[0, 0, 0.1], [0.95, 0, -0.2], [-0.5, 0.8, -0.2], [-0.5, -0.8, -0.2]])
        found["ions"] = [Atoms("OH", [[0, 0, 0], [0, 0, 0.97]]), cation]
        for atoms, charge in zip(found["ions"], (-1.0, 1.0), strict=True):
            atoms.info["charge"] = charge
    if conditions:
        found["radicals"] = [Atoms("OH", [[0, 0, 0], [0, 0, 0.97]]), molecule("CH3")]
        for atoms in found["radicals"]:
            atoms.info["spin"] = 1
    return found


def main() -> None:
    source, folder, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    os.chdir(folder)
    torch.set_num_threads(1)
    warnings.filterwarnings("error", message="(.|\n)*could not be (built|compiled)")
    if not Path(atnn.__file__).is_relative_to(source):
        sys.exit(f"{atnn.__file__} is not of {source}")
    # Commits before this function changed the process's memory settings by themselves.
    getattr(atnn.kernels, "keep_memory", lambda: None)()
    clock, known = Clock(), jobs()
    while True:
        request, *arguments = clock.receive()
        if request == "jobs":
            clock.answer({name: [job.unit, job.factor] for name, job in known.items()})
        elif request == "write":
            clock.answer(write_files())
        elif request == "models":
            clock.answer([*COMPARED, "file of version 1"])
        elif request == "evaluate":
            clock.answer(evaluate(*arguments))
        elif request == "start":
            try:
                known[arguments[0]].work(clock)
            except Finished:
                clock.answer(None)


if __name__ == "__main__":
    main()
