"""Relaxations say how far they are, at no cost."""

from __future__ import annotations

import re

from ase import Atoms
from ase.optimize import BFGS

from atnn import progress
from atnn.interfaces.ase import Calculator
from atnn.observables import find_minima, relax
from atnn.structures import Structures
from dynamics.analytic import Morse

PAIRS = [Atoms("CO", positions=[[0, 0, 0], [0, 0, length]]) for length in (1.3, 1.2, 0.95)]


def test_each_structure_tells_its_steps_and_the_force_that_is_left(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST", 0.0)
    monkeypatch.setattr(progress, "LONGEST", 0.0)
    relax(Morse(), Structures.from_ase(PAIRS), fmax=1e-4)
    told = re.findall(r"relaxation of 3 structures: structure (\d) of 3.*step (\d+), (\S+) eV", capsys.readouterr().err)
    for index in range(3):
        forces = [float(force) for structure, _, force in told if int(structure) == index]
        steps = [int(step) for structure, step, _ in told if int(structure) == index]
        assert len(forces) > 3 and forces[-1] < 1e-4 + 1e-9 < forces[1] and max(steps) >= 3
    assert told[-1][0] == "3"


def test_telling_costs_no_calculation_and_failures_count_as_done(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST", 0.0)
    plain, telling = Morse(), Morse()
    for atoms in PAIRS:
        atoms = atoms.copy()
        atoms.calc = Calculator(plain)
        BFGS(atoms, logfile=None).run(fmax=1e-4, steps=500)
    relax(telling, Structures.from_ase(PAIRS), fmax=1e-4)
    assert telling.calls == plain.calls
    assert set(find_minima(Morse(), Structures.from_ase(PAIRS), fmax=1e-9, steps=2).failures) == {0, 1, 2}
    assert "ends at structure 3 of 3" in capsys.readouterr().err
