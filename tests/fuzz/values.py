"""Python values that a script may hand over: to the ASE calculator, to structures, to dynamics.

``choose`` writes what it chose to ``value.json``; ``use`` hands it over.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule

from atnn.dynamics import State, maxwell_boltzmann
from atnn.dynamics.simulate import simulate
from atnn.interfaces.ase import Calculator
from atnn.structures import Structures

ODD = (
    *(None, True, 0, -1, 1, 3, 2**31, 2**70, 1.5, float("nan"), float("inf"), -1e300, 1e9, "", "x", "nan", "1", "½"),
    *([], [1, 2], [[0, 0, 0]], {}, {"a": 1}, [None], ["x"], [float("nan")] * 3, [1e300, 0, 0], [[1, 2, 3]] * 3, "[]"),
)
ATOMS = ("positions", "numbers", "cell", "pbc", "charge", "spin", "electric_field", "far", "overlap", "empty")
ARGUMENTS = ("copies", "integrator", "temperature", "timestep", "steps", "every", "friction", "outputs", "seed")
PLACES = {
    "calculator": (*ATOMS, "later", "property", "dtype", "skin", "model"),
    "structures": (*ATOMS, "argument"),
    "dynamics": (*ARGUMENTS, "model", "start", "output", "velocities", "masses", "fixed", "bath", "far", "overlap"),
}


def choose(what: str) -> Callable[[random.Random], Any]:
    """What is handed over instead of what should be."""

    def damage(rng: random.Random) -> Any:
        from fuzz.kinds import Damage

        place, value = rng.choice(PLACES[what]), rng.choice(ODD)
        at, far = rng.randrange(9), rng.choice((1e3, 3e5, 1e7, 1e15, 1e300))
        Path("value.json").write_text(json.dumps([what, place, value, at, far]))
        return Damage(f"{place} = {value!r}" + (f" at {at}" if place in ("positions", "later") else "")[:60])

    return damage


def use() -> Any:
    """Hand the value over; a number that comes out must be finite."""
    if not Path("value.json").exists():
        return None
    what, place, value, at, far = json.loads(Path("value.json").read_text())
    found = {"calculator": _calculate, "structures": _convert, "dynamics": _simulate}[what](place, value, at, far)
    assert np.isfinite(np.asarray(found, dtype=float)).all(), "a result is not finite"
    return None


def _odd_atoms(place: str, value: Any, at: int, far: float) -> Atoms:
    atoms = molecule("H2O")
    try:
        if place == "positions":
            atoms.positions.flat[at] = value
        elif place == "numbers":
            atoms.numbers[at % 3] = value
        elif place == "cell":
            atoms.cell, atoms.pbc = value, True
        elif place == "pbc":
            atoms.pbc = value
    except Exception:  # ASE or numpy refuse it: nothing of ours is asked
        return atoms
    if place in ("charge", "spin", "electric_field"):
        atoms.info[place] = value
    elif place == "far":
        atoms.positions[at % 3, at // 3] += far
    elif place == "overlap":
        atoms.positions[0] = atoms.positions[1] + (0.0 if at < 5 else 1e-6)
    elif place == "empty":
        return Atoms()
    return atoms


def _calculate(place: str, value: Any, at: int, far: float) -> Any:
    atoms = _odd_atoms(place, value, at, far)
    options = {place: value} if place in ("dtype", "skin") else {}
    atoms.calc = Calculator(value if place == "model" and isinstance(value, str) else "run/model.atnn", **options)
    if place == "property":
        return atoms.calc.get_property("energy", atoms)
    results = [atoms.get_potential_energy(), *atoms.get_forces().ravel()]
    if place == "later":
        try:
            atoms.positions.flat[at] = value
        except Exception:
            return results
        results += [atoms.get_potential_energy(), *atoms.get_forces().ravel()]
    return results


def _convert(place: str, value: Any, at: int, far: float) -> Any:
    structures = Structures.from_ase(value if place == "argument" else [_odd_atoms(place, value, at, far)])
    back = structures.to_ase()
    return [a.positions.sum() for a in back]


def _simulate(place: str, value: Any, at: int, far: float) -> Any:
    if place in ("velocities", "masses", "fixed", "bath"):
        return _start(place, value)
    settings: dict[str, Any] = {"steps": 2, "every": 1, "temperature": 10.0}
    files: dict[str, Any] = {"model": "run/model.atnn", "start": "start.xyz", "output": "new.traj"}
    if place in files:
        files[place] = value if isinstance(value, str) else "config.yaml"
    elif place in ("far", "overlap"):
        from ase.io import write

        write("start.xyz", _odd_atoms(place, value, at, far))
    else:
        settings[place] = min(value, 100) if place in ("steps", "copies") and isinstance(value, int) else value
    report = simulate(files["model"], files["start"], files["output"], **settings)
    return report.state.structures.positions.numpy()


def _start(place: str, value: Any) -> Any:
    structures = Structures.from_ase(molecule("H2O"))
    generator = torch.Generator().manual_seed(0)
    if place == "bath":
        return maxwell_boltzmann(structures, value, generator).numpy()
    try:
        given = torch.as_tensor(value)
    except Exception:
        return 0
    return State.start(structures, **{place: given}).temperature.numpy()
