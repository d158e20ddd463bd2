"""What physics terms must satisfy; values against the textbook formula."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii

from atnn.structures import Structures
from contracts.models import evaluate, small_model
from systems import crystal, ethanol


def textbook_zbl(z1, z2, r):
    """Ziegler, Biersack, Littmark (1985), in eV and Angstrom, from numbers typed in here."""
    x = r * (z1**0.23 + z2**0.23) / 0.46850
    amplitudes, decays = [0.18175, 0.50986, 0.28022, 0.02817], [3.19980, 0.94229, 0.40290, 0.20162]
    phi = sum(c * np.exp(-d * x) for c, d in zip(amplitudes, decays, strict=True))
    x = r / (covalent_radii[z1] + covalent_radii[z2])
    switch = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8 if x < 1 else 0.0
    return 14.399645 * z1 * z2 / r * phi * switch


def repulsion(atoms, outputs=("energy",)):
    """With the term minus without it."""
    with_term = evaluate(small_model("eann", terms=({"name": "zbl"},)), atoms, outputs)
    without = evaluate(small_model("eann"), atoms, outputs)
    return {name: with_term[name] - without[name] for name in outputs}


@pytest.mark.parametrize(("symbols", "numbers"), [("HH", (1, 1)), ("CO", (6, 8)), ("CuSi", (29, 14))])
@pytest.mark.parametrize("part", [0.05, 0.2, 0.5, 0.9, 0.999, 1.2])
def test_zbl_is_the_textbook_formula_switched_off_at_bonds(symbols, numbers, part):
    distance = part * float(covalent_radii[numbers[0]] + covalent_radii[numbers[1]])
    found = repulsion(Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance]]))["energy"].item()
    assert found == pytest.approx(textbook_zbl(*numbers, distance), rel=1e-6, abs=1e-9)


def test_the_envelope_is_the_published_polynomial_and_smooth_at_its_end():
    reach = 2 * covalent_radii[6]
    energies = np.array(
        [repulsion(Atoms("CC", positions=[[0, 0, 0], [reach + k * 1e-3, 0, 0]]))["energy"].item() for k in range(-3, 2)]
    )
    assert np.abs(np.diff(energies, 2) / 1e-6).max() < 5.0
    assert energies[-1] == 0.0


def test_forces_equal_finite_differences():
    s = Structures.from_ase(crystal()).replace(positions=Structures.from_ase(crystal()).positions * 0.6)
    s = s.replace(cell=s.cell * 0.6)
    forces, step = repulsion(s, ("forces",))["forces"], 1e-5
    for atom, axis in ((0, 0), (3, 2)):
        energies = []
        for sign in (1, -1):
            positions = s.positions.clone()
            positions[atom, axis] += sign * step
            energies.append(repulsion(s.replace(positions=positions))["energy"].item())
        slope = -(energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis].item() == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert forces.abs().max() > 1.0


def test_in_a_batch_as_alone():
    frames = [ethanol(), Atoms("CO", positions=[[0, 0, 0], [0, 0, 0.7]])]
    batch = repulsion(Structures.from_ase(frames))["energy"]
    torch.testing.assert_close(batch, torch.cat([repulsion(f)["energy"] for f in frames]), rtol=1e-9, atol=1e-9)
