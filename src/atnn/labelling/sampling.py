"""Geometries worth labelling: thermal normal-mode displacements and snapshots of Langevin dynamics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import covalent_radii
from ase.md.langevin import Langevin
from ase.optimize import BFGS
from jaxtyping import Float

from atnn.errors import LabellingError
from atnn.labelling.protocol import Labeller
from atnn.structures import Structures
from atnn.units import acceleration, boltzmann, hbar

CLOSEST = 0.6  # least distance of two atoms, in sums of covalent radii
STIFF = 1e-4  # (rad/fs)^2 of 53 cm^-1: softer modes are translation, rotation and free rotors


class LabellerCalculator(Calculator):
    """A labeller as an ASE calculator, for relaxation and dynamics at the reference level."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012  ASE's interface

    def __init__(self, labeller: Labeller):
        super().__init__()
        self._labeller = labeller

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Energy [eV] and forces [eV/Angstrom] of ``atoms``."""
        super().calculate(atoms, properties, system_changes)
        labels = self._labeller(Structures.from_ase(self.atoms))
        self.results = {"energy": float(labels["energy"]), "forces": labels["forces"]}


def relax(structure: Structures, labeller: Labeller, force: float = 2e-3, steps: int = 300) -> Structures:
    """The nearest minimum of the reference energy.

    Args:
        structure: One structure.
        labeller: The reference method.
        force: Largest force left [eV/Angstrom].
        steps: Steps of BFGS before giving up.

    Raises:
        LabellingError: No minimum within ``steps``, or a calculation failed.
    """
    atoms = structure.to_ase()[0]
    atoms.calc = LabellerCalculator(labeller)
    if not BFGS(atoms, logfile=None).run(fmax=force, steps=steps):
        raise LabellingError(
            f"no minimum found within {steps} steps", remedy="start from a better geometry or allow more steps"
        )
    return structure.replace(positions=torch.as_tensor(atoms.positions).to(structure.positions))


def sample_geometries(
    reference: Structures,
    labeller: Labeller,
    count: int,
    seed: int,
    temperatures: Sequence[float] = (100.0, 300.0, 600.0, 1000.0),
    dynamics: float = 0.5,
    spacing: int = 50,
    quantum: bool = True,
) -> Structures:
    """Geometries around a molecule as it will be met in dynamics: small vibrations to hot ones, and free rotors.

    Half of them (``dynamics``) are snapshots of Langevin dynamics at the labeller's level, in equal numbers from
    each temperature; the others displace the minimum along its normal modes with the thermal amplitudes of
    harmonic oscillators. Quantum amplitudes include zero-point motion: classical dynamics never stretches bonds
    that far, path integrals do.

    Args:
        reference: One molecule near a minimum; it is relaxed first.
        labeller: The method that drives the sampling; cheap, it is called ``dynamics * count * spacing`` times.
        count: Number of geometries. The first is the minimum itself.
        seed: Equal seeds give equal geometries.
        temperatures: Of the oscillators and of the dynamics [K].
        dynamics: Fraction taken from dynamics.
        spacing: Steps of 0.5 fs between snapshots.
        quantum: Whether the oscillators are quantum ones.

    Raises:
        LabellingError: The molecule has no minimum, or is periodic; or nearly all displacements were rejected for
            atoms too close.
    """
    if bool(reference.pbc.any()):
        raise LabellingError("geometries are sampled for molecules", remedy="set pbc to False")
    generator = np.random.default_rng(seed)
    minimum = relax(reference, labeller)
    snapshots = round(count * dynamics)
    frames = [minimum.positions.detach().double().numpy()]
    displaced = count - 1 - snapshots
    frames += _normal_mode_displacements(minimum, labeller, displaced, temperatures, quantum, generator)
    shares = np.array_split(np.arange(snapshots), len(temperatures))
    for temperature, share in zip(temperatures, shares, strict=True):
        frames += _snapshots(minimum, labeller, len(share), temperature, spacing, generator)
    batch = Structures.concatenate([minimum] * len(frames))
    return batch.replace(positions=torch.as_tensor(np.concatenate(frames)).to(reference.positions))


def normal_modes(
    structure: Structures, labeller: Labeller, step: float = 0.01
) -> tuple[Float[np.ndarray, " modes"], Float[np.ndarray, "modes atoms 3"]]:
    """Squared angular frequencies and mass-weighted eigenvectors from central differences of the forces.

    Args:
        structure: One molecule at a minimum.
        labeller: The reference method.
        step: Displacement of each coordinate [Angstrom].

    Returns:
        Eigenvalues [1/fs^2], ascending, and orthonormal eigenvectors.
    """
    masses = structure.to_ase()[0].get_masses()
    size = 3 * len(masses)
    hessian = np.empty((size, size))
    for row in range(size):
        shift = torch.zeros(size, dtype=structure.positions.dtype)
        shift[row] = step
        shift = shift.view(-1, 3)
        plus = labeller(structure.replace(positions=structure.positions + shift))["forces"]
        minus = labeller(structure.replace(positions=structure.positions - shift))["forces"]
        hessian[row] = (minus - plus).ravel() / (2 * step)
    weights = np.repeat(masses, 3) ** -0.5
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2 * np.outer(weights, weights) * acceleration)
    return values, vectors.T.reshape(size, -1, 3)


def _normal_mode_displacements(
    minimum: Structures,
    labeller: Labeller,
    count: int,
    temperatures: Sequence[float],
    quantum: bool,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """Minimum + sum_k q_k e_k / sqrt(m).

    <q_k^2> is k_B T / omega_k^2, or hbar / (2 omega_k) coth(hbar omega_k / 2 k_B T) of a quantum oscillator.
    """
    values, modes = normal_modes(minimum, labeller)
    stiff = values > STIFF
    omega = np.sqrt(values[stiff])
    atoms = minimum.to_ase()[0]
    vectors = modes[stiff] / np.sqrt(atoms.get_masses())[None, :, None]
    frames: list[np.ndarray] = []
    for _ in range(20 * count):
        if len(frames) == count:
            break
        temperature = temperatures[len(frames) % len(temperatures)]
        energy = boltzmann * temperature  # of each oscillator
        if quantum:
            energy = hbar * omega / 2 / np.tanh(hbar * omega / (2 * energy))
        variance = energy * acceleration / omega**2  # amu Angstrom^2
        positions = atoms.positions + np.tensordot(generator.normal(size=len(omega)) * np.sqrt(variance), vectors, 1)
        if not too_close(atoms.numbers, positions):
            frames.append(positions)
    if len(frames) < count:
        raise LabellingError(
            f"{len(frames)} of {count} displaced geometries have no atoms too close",
            remedy="lower the temperatures, or raise the share of dynamics",
        )
    return frames


def _snapshots(
    minimum: Structures,
    labeller: Labeller,
    count: int,
    temperature: float,
    spacing: int,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """Snapshots of Langevin dynamics (0.5 fs, friction 0.02/fs) after 200 steps of equilibration."""
    atoms = minimum.to_ase()[0]
    atoms.calc = LabellerCalculator(labeller)
    # twice the temperature, half of which the potential takes up
    spread = np.sqrt(2 * temperature * units.kB * atoms.get_masses())
    atoms.set_momenta(generator.normal(size=(len(atoms), 3)) * spread[:, None])
    langevin = Langevin(
        atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=generator, fixcm=False
    )
    frames: list[np.ndarray] = []
    langevin.run(200)
    while len(frames) < count:
        langevin.run(spacing)
        if not too_close(atoms.numbers, atoms.positions):
            frames.append(atoms.positions - atoms.get_center_of_mass() + minimum.to_ase()[0].get_center_of_mass())
    return frames


def too_close(numbers: np.ndarray, positions: np.ndarray) -> bool:
    """Whether two atoms are nearer than 0.6 of the sum of their covalent radii."""
    radii = covalent_radii[numbers]
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    limits = CLOSEST * (radii[:, None] + radii[None])
    return bool((distances < limits)[np.triu_indices(len(numbers), 1)].any())
