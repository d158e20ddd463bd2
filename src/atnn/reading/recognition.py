"""From raw frames to labelled structures in the package's units.

What was recognised, what is missing and what was not read is counted and reported.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from atnn.data.electrons import refuse_impossible_electrons
from atnn.data.summary import Source
from atnn.errors import AtnnWarning, DataError
from atnn.quantities import QUANTITIES, Quantity
from atnn.reading.factors import find_factors
from atnn.reading.keys import Keys
from atnn.reading.origins import shift_dipoles
from atnn.reading.plausibility import judge_polarizability, looks_like_hartree
from atnn.reading.raw import MASSES, Format, RawFrame
from atnn.reading.values import (
    check_geometries,
    check_numbers,
    count_rows,
    expand_voigt,
    find_shape,
    join_adsorbates,
    join_fixed,
    join_values,
    mark_adsorbates,
    refuse_asymmetry,
    remove_masses,
    symmetrize,
)
from atnn.stated import STATED, Stated
from atnn.structures import Labelled, Structures

NOISE = 0.1  # of the largest eigenvalue of a positive matrix: a smaller negative one is taken for noise


class Recogniser:
    """Turns chunks of raw frames into labelled batches and remembers what it recognised.

    Args:
        form: The format of the file.
        keys: Quantity (or ``charge``, ``spin``, ``electric_field``) -> key in the file; None leaves it unread.
        units: Declared units; they replace the format's own.
        where: The file, for messages.
        dipole_origin: Point that dipoles of ions are taken about, see :func:`shift_dipoles`.

    Raises:
        DataError: The format states no units and none are declared, or ``keys`` or ``units`` have an unknown name.
    """

    def __init__(
        self,
        form: Format,
        keys: Mapping[str, str | None] | None,
        units: Mapping[str, str] | None,
        where: str,
        dipole_origin: str | None = None,
    ):
        self.form, self.where, self.dipole_origin = form, where, dipole_origin
        self.keys = Keys(keys, form.aliases, where)
        if form.units is None and not units:
            raise DataError(
                f"the format {form.name} does not state units, and none are declared",
                where=where,
                remedy='declare them, e.g. units={"energy": "hartree", "length": "bohr"} '
                "(on the command line: --unit energy=hartree --unit length=bohr)",
            )
        own, declared = dict(form.units or {}), dict(units or {})
        self._declared = frozenset(declared)
        if {"energy", "length"} & set(declared):
            # The format's exceptions belong to its own units of energy and length.
            own = {name: unit for name, unit in own.items() if name in ("energy", "length")}
        self.factors = find_factors({**own, **declared}, where)
        self.frames = 0
        self._assumed = not units
        self._unjudged = True
        self._asymmetric: Counter[str] = Counter()
        self._lacking: dict[str, tuple[int, str]] = {}
        self._unstated: dict[str, tuple[int, str]] = {}
        self._stated: set[str] = set()

    @property
    def sources(self) -> dict[str, Source]:
        """Quantity name -> key and unit in the file."""
        chosen = self.keys.chosen
        return {name: Source(key, self.factors[name].unit) for name, key in chosen.items() if name in QUANTITIES}

    def recognise(self, frames: Sequence[RawFrame]) -> Labelled:
        """One batch in the package's units.

        Raises:
            DataError: Two keys fit one quantity, one key fits two, or a label is not finite or has a wrong shape.
        """
        self.keys.search(frames)
        check_geometries(frames)
        frames = [mark_adsorbates(frame) for frame in frames]
        structures = self._build_structures(frames)
        refuse_impossible_electrons(structures, [frame.where for frame in frames])
        labels, masks = {}, {}
        for name in [name for name in QUANTITIES if name in self.keys.chosen]:
            values = [self._find_value(frame, QUANTITIES[name], self.keys.chosen[name]) for frame in frames]
            self._note_lacking(name, frames, values)
            labels[name], masks[name] = join_values(values, QUANTITIES[name], frames, self.factors[name].size)
        if any(self.factors[name].weighted for name in labels):
            self.keys.unread.pop(MASSES, None)
        if "dipole" in labels:
            given = labels["dipole"], masks["dipole"]
            labels["dipole"] = shift_dipoles(*given, structures, frames, self.dipole_origin)
        if self._assumed and self.frames == 0 and "energy" in labels:
            energies = np.where(masks["energy"], labels["energy"] / self.factors["energy"].size, np.nan)
            if self.factors["energy"].unit == "eV" and looks_like_hartree(structures, energies):
                self._warn(
                    "energies are taken in eV as is the custom, but their size is that of all-electron energies in "
                    'hartree; if they are, declare units={"energy": "hartree", "length": ...}'
                )
        if self._unjudged and "polarizability" in labels and bool(masks["polarizability"].any()):
            self._judge_polarizability(structures, labels["polarizability"], masks["polarizability"])
        self.frames += len(frames)
        return Labelled(structures, labels, masks)

    def finish(self) -> None:
        """Judge the whole file: missing labels and asymmetric tensors are counted in warnings.

        Raises:
            DataError: A declared key is in no frame.
        """
        self.keys.check_declared()
        for name, (count, example) in self._lacking.items():
            self._warn(
                f"{count} of {self.frames} frames have no {name} (key {self.keys.chosen[name]!r}) and are masked; "
                f"first: {example}"
            )
        for name, count in self._asymmetric.items():
            self._warn(f"{name} of {count} frames was not symmetric and was symmetrised")
        for name in sorted(self._stated & self._unstated.keys()):
            count, example = self._unstated[name]
            self._warn(
                f"{count} of {self.frames} frames do not state the {name} that others state; it counts as zero there: "
                f"state it in every frame; first: {example}"
            )

    def _judge_polarizability(self, structures: Structures, values: torch.Tensor, mask: torch.Tensor) -> None:
        self._unjudged = False
        unit, size, _ = self.factors["polarizability"]
        problem = judge_polarizability(structures, values, mask, unit, size)
        if problem is None:
            return
        if "polarizability" in self._declared:  # extended or excited molecules may be odd: the user has said what it is
            self._warn(f"{problem[0]}; {problem[1]}")
        else:
            raise DataError(problem[0], where=self.where, remedy=problem[1])

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.where}: {text}", AtnnWarning, stacklevel=5)

    def _build_structures(self, frames: Sequence[RawFrame]) -> Structures:
        length = self.factors["length"].size
        counts = [len(frame.numbers) for frame in frames]
        return Structures(
            positions=torch.from_numpy(np.concatenate([frame.positions for frame in frames]) * length),
            numbers=torch.from_numpy(np.concatenate([frame.numbers for frame in frames])),
            cell=torch.from_numpy(np.stack([frame.cell for frame in frames]) * length),
            pbc=torch.from_numpy(np.stack([frame.pbc for frame in frames]).astype(bool)),
            batch=torch.repeat_interleave(torch.arange(len(frames)), torch.tensor(counts)),
            fixed=join_fixed(frames),
            adsorbate=join_adsorbates(frames),
            **{name: self._find_stated(frames, entry) for name, entry in STATED.items()},
        )

    def _find_stated(self, frames: Sequence[RawFrame], entry: Stated) -> torch.Tensor | None:
        key = self.keys.chosen.get(entry.key)
        unstated = [frame.where for frame in frames if key not in frame.info]
        if unstated:
            count, example = self._unstated.get(entry.key, (0, ""))
            self._unstated[entry.key] = (count + len(unstated), example or unstated[0])
        if key is None or len(unstated) == len(frames):
            return None
        self._stated.add(entry.key)
        values = np.zeros((len(frames), *entry.shape))
        for index, frame in enumerate(frames):
            if key in frame.info:
                values[index] = check_numbers(frame.info[key], entry.shape, frame.where, key)
        if entry.integer:
            whole = np.isclose(values, np.rint(values), rtol=0, atol=1e-6).reshape(len(values), -1).all(1)
            if not whole.all():
                index = int(np.argmin(whole))
                raise DataError(
                    f"{key!r} is {values[index]}, not a whole number", where=frames[index].where, remedy="repair it"
                )
            return torch.from_numpy(np.rint(values).astype(np.int64))
        return torch.from_numpy(values * self.factors[entry.key].size)

    def _find_value(self, frame: RawFrame, entry: Quantity, key: str) -> np.ndarray | None:
        """A declared key may stand where the axis of its quantity does not lead one to look."""
        first, second = (frame.arrays, frame.info) if entry.axis == "atom" else (frame.info, frame.arrays)
        value = first.get(key)
        value = second.get(key) if value is None else value
        if value is None:
            return None
        shape = find_shape(entry, frame)
        if entry.declared:
            self._check_declared(frame, entry, key)
        if count_rows(entry, frame) == 0:
            raise DataError(
                f"{key!r} is given, but no atom is marked as adsorbate",
                where=frame.where,
                remedy='write the column adsorbate:L:1, or adsorbate_indices="..." (counted from zero)',
            )
        if not entry.symmetric:
            found = check_numbers(value, shape, frame.where, key, entry.partial)
            return None if entry.partial and np.isnan(found).all() else found
        whole = check_numbers(expand_voigt(value, shape), shape, frame.where, key)
        result, lost = symmetrize(whole)
        if lost:
            if entry.derivative is None or entry.derivative.by != "strain":  # programs give virials with their torques
                refuse_asymmetry(whole, result, self.factors[entry.name].size, frame.where, key)
            self._asymmetric[entry.name] += 1
        if entry.positive:
            _refuse_negative(result, entry, frame, key)
        return remove_masses(result, entry, frame) if self.factors[entry.name].weighted else result

    def _check_declared(self, frame: RawFrame, entry: Quantity, key: str) -> None:
        """Refuse a quantity whose unit is neither declared nor stated in the file, as files of this package do."""
        if entry.name not in self._declared and frame.info.get(entry.unit_key) != entry.unit:
            raise DataError(
                f"the unit of the {entry.name} {key!r} is not stated, and files hold it in several units",
                where=frame.where,
                remedy=f'declare it, for instance units={{"{entry.name}": "{entry.unit}"}}'
                + (', or "1/ps" for mass-weighted values' if entry.weighted else ""),
            )

    def _note_lacking(self, name: str, frames: Sequence[RawFrame], values: Sequence[np.ndarray | None]) -> None:
        lacking = [frame for frame, value in zip(frames, values, strict=True) if value is None]
        if lacking:
            count, example = self._lacking.get(name, (0, ""))
            keys = ", ".join(sorted({*lacking[0].info, *lacking[0].arrays})) or "none"
            self._lacking[name] = (count + len(lacking), example or f"{lacking[0].where}, whose keys are: {keys}")


def _refuse_negative(matrix: np.ndarray, entry: Quantity, frame: RawFrame, key: str) -> None:
    """Refuse a positive matrix with a negative eigenvalue beyond noise, a tenth of the largest."""
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -NOISE * abs(values).max():
        raise DataError(
            f"the {entry.name} {key!r} has the eigenvalue {values[0]:.3g}, and its largest is {values[-1]:.3g}",
            where=frame.where,
            remedy="it is never negative: look at the order of its rows and columns, or leave the frame out",
        )
