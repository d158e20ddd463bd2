"""Charged structures and what the electrostatic term says about them, for the tests of electrostatics."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111

from atnn.derivatives import differentiate, make_variables, strain_edges, strain_structures
from atnn.neighbors import edges, neighbor_pairs
from atnn.physics import Electrostatics, ElectrostaticsSpecification
from atnn.structures import Structures
from scenes import energies, make_scene
from systems import crystal, ethanol, water_box


def total(structures, charges, strain=None, skin=0.7, dipoles=None, **specification):
    """Energies of the term, with pairs as a neighbor list with a skin gives them."""
    given = dipoles is not None
    term = Electrostatics(ElectrostaticsSpecification(dipoles=given, **specification))
    pairs = edges(structures, neighbor_pairs(structures, term.cutoff + skin))
    if strain is not None:
        pairs = strain_edges(pairs, structures, strain)
        structures = strain_structures(structures, strain)
    values = {"charges": charges} | ({"atomic_dipoles": dipoles} if given else {})
    return energies(term, make_scene(structures, pairs), values)


def evaluate(atoms, charges, outputs=("energy",), dtype=torch.float64, dipoles=None, **specification):
    """The outputs of the term alone, along the way that a model takes."""
    structures = atoms if isinstance(atoms, Structures) else Structures.from_ase(atoms)
    structures = structures.to(dtype=dtype)
    variables = make_variables(structures, outputs, {"energy"})
    structures = variables.apply(structures)
    moments = None if dipoles is None else torch.as_tensor(dipoles, dtype=dtype)
    found = total(structures, torch.as_tensor(charges, dtype=dtype), variables.strain, dipoles=moments, **specification)
    return {"energy": found.detach()} | differentiate({"energy": found}, variables, structures, outputs)


def energy(atoms, charges, **specification):
    return evaluate(atoms, charges, **specification)["energy"]


def water_charges(atoms):
    return np.where(atoms.numbers == 8, -0.8, 0.4)


def neutral(count, seed=0):
    charges = np.random.default_rng(seed).normal(size=count)
    return charges - charges.mean()


def polar_slab(vacuum=14.0, seed=5):
    """Rattled two-layer slab of polar planes, its charges, periodic along the surface."""
    atoms = fcc111("Na", (2, 2, 2), a=5.6, vacuum=vacuum / 2)
    atoms.numbers[atoms.positions[:, 2] > atoms.positions[:, 2].mean()] = 17
    atoms.rattle(0.2, seed=seed)
    atoms.pbc = (True, True, False)
    return atoms, np.where(atoms.numbers == 17, -0.7, 0.7)


def oblique(repeat=1, seed=6):
    """Rattled primitive cells of rocksalt, whose angles are 60 degrees."""
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (repeat, repeat, repeat)
    atoms.rattle(0.2, seed=seed)
    return atoms, np.where(atoms.numbers == 11, 1.0, -1.0)


def mixed_systems():
    """Molecules, crystals and a slab, with the charges of each."""
    atoms = [ethanol(), crystal(), water_box(2), polar_slab()[0], Atoms("O", positions=[[0.3, -0.2, 0.1]])]
    return [(a, neutral(len(a), seed)) for seed, a in enumerate(atoms)]
