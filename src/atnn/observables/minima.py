"""Minima of many structures, with the energies and forces there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from atnn.data import concatenate
from atnn.errors import DynamicsError
from atnn.model import Potential
from atnn.observables.relaxation import relax_next, show_relaxation
from atnn.structures import Labelled, Structures


@dataclass(frozen=True)
class Minima:
    """Result of :func:`find_minima`.

    Attributes:
        labelled: The relaxed structures with their energies and forces, in the order given; None if there are none.
        indices: Their places in the structures given.
        before: Their energies before the relaxation [eV].
        failures: Places of the structures that did not converge -> what was left.
    """

    labelled: Labelled | None
    indices: Int[np.ndarray, " relaxed"]
    before: Float[np.ndarray, " relaxed"]
    failures: dict[int, str]

    @property
    def largest_forces(self) -> Float[np.ndarray, " relaxed"]:
        """Largest force that is left on a free atom of each relaxed structure [eV/Angstrom]."""
        if self.labelled is None:
            return np.zeros(0)
        structures = self.labelled.structures
        sizes = self.labelled.labels["forces"].norm(dim=1) * ~structures.fixed_atoms
        return sizes.new_zeros(len(structures)).scatter_reduce(0, structures.batch, sizes, "amax").numpy()


def find_minima(potential: Potential, structures: Structures, fmax: float = 1e-3, steps: int = 500) -> Minima:
    """Relax each structure with :func:`atnn.observables.relax`; one that does not converge does not end the others.

    Args:
        potential: Gives ``energy`` and ``forces``.
        structures: The geometries to begin from.
        fmax: Largest force that may remain on an atom [eV/Angstrom].
        steps: Largest number of steps for each structure.
    """
    found, before, failures = [], [], {}
    with show_relaxation(len(structures)) as progress:
        for index, start in enumerate(structures.singles()):
            try:
                relaxed = relax_next(potential, start, fmax, steps, progress)
            except DynamicsError as error:
                failures[index] = error.what
                continue
            found.append(_label(potential, relaxed))
            before.append(float(potential(start, ("energy",))["energy"]))
    indices = np.array([index for index in range(len(structures)) if index not in failures], dtype=np.int64)
    return Minima(concatenate(found) if found else None, indices, np.array(before), failures)


def _label(potential: Potential, structure: Structures) -> Labelled:
    results = potential(structure, ("energy", "forces"))
    labels = {name: value.detach().cpu().double() for name, value in results.items()}
    return Labelled(structure, labels, {name: torch.ones(1, dtype=torch.bool) for name in labels})
