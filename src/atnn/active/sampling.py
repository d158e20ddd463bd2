"""Geometries worth labelling: thermal normal-mode displacements and snapshots of Langevin dynamics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import units
from ase.data import covalent_radii
from ase.md.langevin import Langevin
from jaxtyping import Bool, Float
from torch import Tensor

from atnn.errors import DataError, SpecificationError
from atnn.interfaces.ase import Calculator
from atnn.model import Potential
from atnn.neighbors import edges, neighbor_pairs
from atnn.observables import hessian, relax
from atnn.structures import Structures
from atnn.units import acceleration, boltzmann, hbar

CLOSEST_CONTACT = 0.6  # least distance of two atoms, in sums of covalent radii
STIFF = 1e-4  # (rad/fs)^2 of 53 cm^-1: softer modes are translation, rotation and free rotors


def sample_geometries(
    potential: Potential,
    reference: Structures,
    count: int,
    seed: int,
    temperatures: Sequence[float] = (100.0, 300.0, 600.0, 1000.0),
    dynamics: float = 0.5,
    spacing: int = 50,
    quantum: bool = True,
) -> Structures:
    """Sample geometries around a molecule as dynamics will meet them: small vibrations, hot ones and free rotors.

    Half of them (``dynamics``) are snapshots of Langevin dynamics, in equal numbers from each temperature. The others
    displace the minimum along its normal modes with the thermal amplitudes of harmonic oscillators. Quantum amplitudes
    include zero-point motion: path integrals stretch bonds that far, classical dynamics never does.

    Args:
        potential: Gives the forces that drive the sampling, about ``dynamics * count * spacing`` times: a model, or
            a cheap reference method as a :class:`~atnn.labelling.LabellerPotential`.
        reference: One molecule near a minimum; it is relaxed first.
        count: Number of geometries. The first is the minimum itself.
        seed: Equal seeds give equal geometries.
        temperatures: Temperatures of the oscillators and of the dynamics [K].
        dynamics: Fraction taken from dynamics.
        spacing: Steps of 0.5 fs between snapshots.
        quantum: Whether the oscillators are quantum ones.

    Raises:
        DataError: The structure is periodic.
        DynamicsError: The molecule has no minimum.
        SpecificationError: Nearly all displacements were rejected because atoms came too close.
    """
    if bool(reference.pbc.any()):
        raise DataError("geometries are sampled for molecules", where="sample_geometries", remedy="set pbc to False")
    generator = np.random.default_rng(seed)
    minimum = relax(potential, reference, fmax=2e-3, steps=300)
    snapshots = round(count * dynamics)
    frames = [minimum.positions.detach().cpu().double().numpy()]
    displaced = count - 1 - snapshots
    frames += _displace_modes(potential, minimum, displaced, temperatures, quantum, generator)
    shares = np.array_split(np.arange(snapshots), len(temperatures))
    for temperature, share in zip(temperatures, shares, strict=True):
        if len(share):
            frames += _run_langevin(potential, minimum, len(share), temperature, spacing, generator)
    batch = Structures.concatenate([minimum] * len(frames))
    return batch.replace(positions=torch.as_tensor(np.concatenate(frames)).to(reference.positions))


def _displace_modes(
    potential: Potential,
    minimum: Structures,
    count: int,
    temperatures: Sequence[float],
    quantum: bool,
    generator: np.random.Generator,
) -> list[Float[np.ndarray, "atoms 3"]]:
    """Minimum + sum_k q_k e_k / sqrt(m).

    <q_k^2> is k_B T / omega_k^2, or hbar / (2 omega_k) coth(hbar omega_k / 2 k_B T) of a quantum oscillator.
    """
    atoms = minimum.to_ase()[0]
    omega, vectors = _oscillators(potential, minimum, atoms.get_masses())
    frames: list[np.ndarray] = []
    for _ in range(20 * count):
        if len(frames) == count:
            break
        temperature = temperatures[len(frames) % len(temperatures)]
        thermal = boltzmann * temperature
        energy = hbar * omega / 2 / np.tanh(hbar * omega / (2 * thermal)) if quantum else thermal  # of each oscillator
        variance = energy * acceleration / omega**2  # amu Angstrom^2
        positions = atoms.positions + np.tensordot(generator.normal(size=len(omega)) * np.sqrt(variance), vectors, 1)
        if not find_contacts(minimum.replace(positions=torch.from_numpy(positions))).item():
            frames.append(positions)
    if len(frames) < count:
        raise SpecificationError(
            f"atoms are too close in all but {len(frames)} of {20 * count} displaced geometries, {count} are wanted",
            where="sample_geometries",
            remedy="lower the temperatures, or raise the share of dynamics",
        )
    return frames


def _oscillators(
    potential: Potential, minimum: Structures, masses: Float[np.ndarray, " atoms"]
) -> tuple[Float[np.ndarray, " modes"], Float[np.ndarray, "modes atoms 3"]]:
    """Angular frequencies [rad/fs] and displacements [amu^-1/2] of the stiff modes.

    Rigid motions need not be projected out: they are softer than what is kept.
    """
    roots = np.sqrt(np.repeat(masses, 3))
    force_constants = hessian(potential, minimum, displacement=0.01)
    values, vectors = np.linalg.eigh(force_constants * np.outer(1 / roots, 1 / roots) * acceleration)
    stiff = values > STIFF
    return np.sqrt(values[stiff]), (vectors.T[stiff] / roots).reshape(-1, len(masses), 3)


def _run_langevin(
    potential: Potential,
    minimum: Structures,
    count: int,
    temperature: float,
    spacing: int,
    generator: np.random.Generator,
) -> list[Float[np.ndarray, "atoms 3"]]:
    """Snapshots of Langevin dynamics (0.5 fs, friction 0.02/fs) after 200 steps of equilibration."""
    atoms = minimum.to_ase()[0]
    center = atoms.get_center_of_mass()
    atoms.calc = Calculator(potential)
    # Twice the temperature: the potential takes up half of it.
    widths = np.sqrt(2 * temperature * units.kB * atoms.get_masses())
    atoms.set_momenta(generator.normal(size=(len(atoms), 3)) * widths[:, None])
    langevin = Langevin(
        atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=generator, fixcm=False
    )
    frames: list[np.ndarray] = []
    langevin.run(200)
    while len(frames) < count:
        langevin.run(spacing)
        if not find_contacts(minimum.replace(positions=torch.from_numpy(atoms.positions.copy()))).item():
            frames.append(atoms.positions - atoms.get_center_of_mass() + center)
    return frames


def find_contacts(structures: Structures) -> Bool[Tensor, " structures"]:
    """Find the structures with two atoms nearer than 0.6 of the sum of their covalent radii."""
    radii = CLOSEST_CONTACT * torch.as_tensor(covalent_radii)[structures.numbers]
    pairs = edges(structures, neighbor_pairs(structures, 2 * float(radii.max())))
    close = pairs.lengths < radii[pairs.i] + radii[pairs.j]
    contacts = torch.zeros(len(structures), dtype=torch.bool)
    contacts[structures.batch[pairs.i[close]]] = True
    return contacts
