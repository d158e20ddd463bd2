"""Judging geometries and labels. What cannot be used is an error, and what is odd is counted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from atnn.data.geometries import CONTACT_RATIO, find_contacts, find_flat, find_outside, hash_geometries
from atnn.errors import AtnnWarning, DataError
from atnn.neighbors import CLOSEST
from atnn.structures import Labelled, Structures

OUTLIER_RATIO = 10.0  # of the median over frames of the largest force
CHARGE_TOLERANCE = 0.01  # e; above the errors in sums of charges with 3 decimals, or from grids of a partition
_SHOWN = 5  # places


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in the data.

    Attributes:
        kind: ``duplicates``, ``outside``, ``contacts``, ``charges``, ``forces`` or ``zero forces``.
        count: Frames concerned.
        text: One sentence with numbers.
        frames: The first few of them.
        places: The same with file names.
    """

    kind: str
    count: int
    text: str
    frames: tuple[int, ...] = ()
    places: tuple[str, ...] = ()

    def describe(self) -> str:
        """The finding with the places where it was found."""
        if not self.places:
            return self.text
        # The file is named once: "a.xyz, frame 1, 5" instead of "a.xyz, frame 1; a.xyz, frame 5".
        shown: list[str] = []
        last = ""
        for place in self.places:
            file, _, number = place.rpartition("frame ")
            shown.append(number if file == last and shown else place)
            last = file
        return f"{self.text} (first: {', '.join(shown)})"


class Checks:
    """Looks at a data set batch by batch. It keeps 24 bytes per frame."""

    def __init__(self) -> None:
        self.frames = 0
        self.shortest = float("inf")
        self._files: list[tuple[int, str]] = []
        self._digests: list[np.ndarray] = []
        self._largest_forces: list[np.ndarray] = []
        self._outside: list[int] = []
        self._atoms_outside = 0
        self._contacts: list[int] = []
        self._unbalanced: list[int] = []
        self._excess = 0.0
        self._several_atoms = 0

    def begin_file(self, file: str) -> None:
        """Note that the batches that follow come from this file."""
        self._files.append((self.frames, file))

    def find_place(self, frame: int) -> str:
        """File of a frame that is counted over all files, and its number there."""
        start, file = next(((s, f) for s, f in reversed(self._files) if s <= frame), (0, ""))
        return f"{file}, frame {frame - start}" if file else f"frame {frame}"

    def add(self, labelled: Labelled) -> None:
        """Look at another batch.

        Raises:
            DataError: Positions or cells that are not finite, a periodic cell of no volume, or atoms that coincide.
        """
        structures = labelled.structures
        self._check_geometry(structures)
        self._digests.append(hash_geometries(structures))
        outside = find_outside(structures)
        self._atoms_outside += int(outside.sum())
        self._outside += (structures.batch[outside].unique() + self.frames).tolist()
        contacts, shortest, nearest = find_contacts(structures)
        if shortest < CLOSEST:
            raise DataError(
                f"two atoms are {shortest:.3g} Angstrom apart",
                where=self.find_place(self.frames + nearest),
                remedy="remove the atom that is there twice, or repair the frame",
            )
        self._contacts += [self.frames + index for index in contacts]
        self.shortest = min(self.shortest, shortest)
        self._add_charges(labelled)
        self._add_forces(labelled)
        self.frames += len(structures)

    def _add_charges(self, labelled: Labelled) -> None:
        excess = charge_excess(labelled).abs()
        self._unbalanced += ((excess > CHARGE_TOLERANCE).nonzero()[:, 0] + self.frames).tolist()
        self._excess = max(self._excess, float(excess.max()))

    def _add_forces(self, labelled: Labelled) -> None:
        counts = labelled.structures.counts.numpy()
        largest = np.full(len(counts), np.nan)
        if "forces" in labelled.labels:
            sizes = labelled.labels["forces"].norm(dim=1).numpy()
            largest = np.maximum.reduceat(sizes, np.cumsum(counts) - counts)
            largest[~labelled.masks["forces"].numpy()] = np.nan
        self._largest_forces.append(largest)
        self._several_atoms += int((counts > 1)[~np.isnan(largest)].sum())

    def list_findings(self) -> list[Finding]:
        """What was odd in the batches so far."""
        results = [
            self._make_finding(
                "outside",
                self._outside,
                f"{self._atoms_outside} atoms lie outside the periodic cell; positions are kept as they are",
            ),
            self._make_finding(
                "contacts",
                self._contacts,
                f"atoms closer than {CONTACT_RATIO:g} of the sum of their covalent radii; shortest distance "
                f"{self.shortest:.3f} Angstrom",
            ),
            self._make_finding(
                "charges",
                self._unbalanced,
                f"charges of the atoms do not sum to the total charge (zero where nobody stated it); they miss it by "
                f"up to {self._excess:.3g} e",
            ),
            self._find_duplicates(),
            *self._find_forces(),
        ]
        return [result for result in results if result is not None]

    def warn(self, where: str) -> None:
        """Warn of every finding, with the number of frames."""
        for finding in self.list_findings():
            warnings.warn(f"{where}: {finding.count} frames: {finding.describe()}", AtnnWarning, stacklevel=4)

    def _make_finding(self, kind: str, frames: list[int] | np.ndarray, text: str) -> Finding | None:
        if len(frames) == 0:
            return None
        first = tuple(int(frame) for frame in frames[:_SHOWN])
        return Finding(kind, len(frames), text, first, tuple(self.find_place(frame) for frame in first))

    def _check_geometry(self, structures: Structures) -> None:
        finite = torch.isfinite(structures.positions).all(1)
        bad = torch.isfinite(structures.cell).flatten(1).all(1).logical_not()
        bad[structures.batch[~finite]] = True
        if bad.any():
            raise DataError(
                "positions or cell are NaN or infinite",
                where=self.find_place(self.frames + int(bad.nonzero()[0])),
                remedy="remove or repair the frame",
            )
        flat = find_flat(structures)
        if flat.any():
            index = int(flat.nonzero()[0])
            raise DataError(
                f"periodic structure whose cell has the volume {float(structures.volumes[index]):.2g} Angstrom^3",
                where=self.find_place(self.frames + index),
                remedy="set the lattice vectors, or pbc to False",
            )

    def _find_duplicates(self) -> Finding | None:
        if self.frames < 2:
            return None
        values = np.concatenate(self._digests)
        _, first = np.unique(values, return_index=True)
        repeated = np.setdiff1d(np.arange(len(values)), first)
        return self._make_finding(
            "duplicates", repeated, "identical to an earlier frame; they would cross between splits"
        )

    def _find_forces(self) -> list[Finding | None]:
        largest = np.concatenate(self._largest_forces) if self._largest_forces else np.zeros(0)
        given = ~np.isnan(largest)
        if not given.any():
            return []
        median = float(np.median(largest[given]))
        if largest[given].max() == 0.0:
            if self._several_atoms == 0:
                return []
            text = "forces are exactly zero in every frame: were they computed? keys={'forces': None} leaves them out"
            return [Finding("zero forces", int(given.sum()), text)]
        with np.errstate(invalid="ignore"):
            outliers = np.flatnonzero(given & (largest > OUTLIER_RATIO * median) & (median > 0))
        text = (
            f"largest force above {OUTLIER_RATIO:g} times the median {median:.3g} eV/Angstrom, up to "
            f"{np.nanmax(largest):.3g} eV/Angstrom"
        )
        return [self._make_finding("forces", outliers, text)]


def charge_excess(labelled: Labelled) -> Float[Tensor, " structures"]:
    """Sum of the labelled charges less the total charge [e]; zero where no charges are given."""
    if "charges" not in labelled.labels:
        return torch.zeros(len(labelled.structures), dtype=torch.float64)
    structures, charges = labelled.structures, labelled.labels["charges"].double()
    excess = (-structures.total_charge.double()).index_add(0, structures.batch, charges)
    return torch.where(labelled.masks["charges"], excess, 0.0)
