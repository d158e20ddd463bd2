"""From raw frames to labelled structures: which key is which quantity, in which unit.

Nothing is guessed: a key is either declared or one of the names in the table of quantities; when two fit, the
user decides. What was recognised, what is missing and what was not read is counted and reported.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from atnn.data.declared import unit_factors
from atnn.data.plausibility import looks_like_hartree
from atnn.data.raw import Format, RawFrame
from atnn.data.summary import Source
from atnn.errors import AtnnWarning, DataError
from atnn.quantities import QUANTITIES, Quantity
from atnn.structures import STATED, Labelled, Stated, Structures

_STATED = {entry.key: entry for entry in STATED.values()}
_VOIGT = [0, 5, 4, 5, 1, 3, 4, 3, 2]  # xx yy zz yz xz xy -> row-major 3 x 3, ASE's order


class Recogniser:
    """Turns chunks of raw frames into labelled batches and remembers what it recognised.

    Args:
        form: The format of the file.
        keys: Quantity (or ``charge``, ``spin``, ``electric_field``) -> key in the file; None leaves it unread.
        units: Declared units; they replace the format's own.
        where: The file, for messages.

    Raises:
        DataError: A format without units and none declared, or an unknown name in ``keys``.
    """

    def __init__(
        self, form: Format, keys: Mapping[str, str | None] | None, units: Mapping[str, str] | None, where: str
    ):
        self.where = where
        self.declared = dict(keys or {})
        known = [*QUANTITIES, *_STATED]
        for name in self.declared:
            if name not in known:
                raise DataError(f"no quantity is called {name!r}", where=where, remedy="known: " + ", ".join(known))
        if form.units is None and not units:
            raise DataError(
                f"the format {form.name} does not state units, and none are declared",
                where=where,
                remedy='declare them, e.g. units={"energy": "hartree", "length": "bohr"} '
                "(on the command line: --unit energy=hartree --unit length=bohr)",
            )
        self.assumed = not units
        own, declared = dict(form.units or {}), dict(units or {})
        if {"energy", "length"} & set(declared):
            # what follows from energy and length follows from the declared ones
            own = {name: unit for name, unit in own.items() if name in ("energy", "length")}
        self.factors = unit_factors({**own, **declared}, where)
        self.aliases = form.aliases
        self.chosen: dict[str, str] = {}
        self.unread: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.frames = 0
        self.asymmetric: Counter[str] = Counter()
        self._lacking: dict[str, tuple[int, str]] = {}

    @property
    def sources(self) -> dict[str, Source]:
        """Quantity name -> key and unit in the file."""
        return {name: Source(key, self.factors[name][0]) for name, key in self.chosen.items() if name in QUANTITIES}

    def labelled(self, frames: Sequence[RawFrame]) -> Labelled:
        """One batch in the package's units.

        Raises:
            DataError: Two keys fit one quantity, or a label is not finite or has a wrong shape.
        """
        present: Counter[str] = Counter()
        for frame in frames:
            present.update({*frame.info, *frame.arrays})
        self.seen.update(present)
        self._choose(frames)
        structures = self._structures(frames)
        labels, masks = {}, {}
        for name in [name for name in QUANTITIES if name in self.chosen]:
            values = [self._value(frame, QUANTITIES[name], self.chosen[name]) for frame in frames]
            self._note_lacking(name, frames, values)
            labels[name], masks[name] = _stack(values, QUANTITIES[name], frames, self.factors[name][1])
        if self.assumed and self.frames == 0 and "energy" in labels:
            energies = np.where(masks["energy"], labels["energy"] / self.factors["energy"][1], np.nan)
            if self.factors["energy"][0] == "eV" and looks_like_hartree(structures, energies):
                self._warn(
                    "energies are taken in eV as is the custom, but their size is that of all-electron energies in "
                    'hartree; if they are, declare units={"energy": "hartree", "length": ...}'
                )
        used = set(self.chosen.values())
        self.unread.update({key: count for key, count in present.items() if key not in used})
        self.frames += len(frames)
        return Labelled(structures, labels, masks)

    def finish(self) -> None:
        """Judge the whole file: declared keys must exist, missing labels are counted in a warning.

        Raises:
            DataError: A declared key is in no frame.
        """
        for name, key in self.declared.items():
            if key is not None and not self.seen[key]:
                raise DataError(
                    f"no frame has the key {key!r} declared for {name}",
                    where=self.where,
                    remedy="keys that exist: " + (", ".join(sorted(self.seen)) or "none"),
                )
        for name, (count, example) in self._lacking.items():
            self._warn(
                f"{count} of {self.frames} frames have no {name} (key {self.chosen[name]!r}) and are masked; "
                f"first: {example}"
            )
        for name, count in self.asymmetric.items():
            self._warn(f"{name} of {count} frames was not symmetric and was symmetrised")

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.where}: {text}", AtnnWarning, stacklevel=5)

    def _candidates(self, name: str) -> tuple[str, ...]:
        if name in _STATED:
            return (name, *_STATED[name].aliases)
        return (name, *QUANTITIES[name].keys, *self.aliases.get(name, ()))

    def _choose(self, frames: Sequence[RawFrame]) -> None:
        """Settle the key of each quantity that shows up in these frames for the first time."""
        info = {key for frame in frames for key in frame.info}
        arrays = {key for frame in frames for key in frame.arrays}
        for name in [*QUANTITIES, *_STATED]:
            per_atom = name in QUANTITIES and QUANTITIES[name].axis == "atom"
            if name in self.declared:
                key = self.declared[name]
                found = [key] if key is not None and key in info | arrays else []
            else:
                taken = {key for other, key in self.declared.items() if other != name}
                here = arrays if per_atom else info
                found = [key for key in self._candidates(name) if key in here and key not in taken]
            if name in self.chosen and found and self.chosen[name] not in found:
                found = [self.chosen[name], *found]
            elif name in self.chosen and len(found) <= 1:
                continue
            if len(found) > 1:
                raise DataError(
                    f"{name} may be any of the keys {', '.join(map(repr, found))}",
                    where=self.where,
                    remedy=f'declare which one: keys={{"{name}": "{found[0]}"}}',
                )
            if found:
                self.chosen[name] = found[0]

    def _structures(self, frames: Sequence[RawFrame]) -> Structures:
        length = self.factors["length"][1]
        counts = [len(frame.numbers) for frame in frames]
        return Structures(
            positions=torch.from_numpy(np.concatenate([frame.positions for frame in frames]) * length),
            numbers=torch.from_numpy(np.concatenate([frame.numbers for frame in frames])),
            cell=torch.from_numpy(np.stack([frame.cell for frame in frames]) * length),
            pbc=torch.from_numpy(np.stack([frame.pbc for frame in frames]).astype(bool)),
            batch=torch.repeat_interleave(torch.arange(len(frames)), torch.tensor(counts)),
            **{name: value for name, entry in STATED.items() if (value := self._state(frames, entry)) is not None},
        )

    def _state(self, frames: Sequence[RawFrame], entry: Stated) -> torch.Tensor | None:
        key = self.chosen.get(entry.key)
        if key is None or not any(key in frame.info for frame in frames):
            return None
        values = np.zeros((len(frames), *entry.shape))
        for index, frame in enumerate(frames):
            if key in frame.info:
                values[index] = _finite(frame.info[key], entry.shape, frame.where, key)
        if entry.integer:
            return torch.from_numpy(np.rint(values).astype(np.int64))
        return torch.from_numpy(values * self.factors[entry.key][1])

    def _value(self, frame: RawFrame, entry: Quantity, key: str) -> np.ndarray | None:
        value = frame.arrays.get(key) if entry.axis == "atom" else frame.info.get(key)
        if value is None:
            value = frame.info.get(key) if entry.axis == "atom" else frame.arrays.get(key)
        if value is None:
            return None
        shape = (len(frame.numbers), *entry.shape) if entry.axis == "atom" else entry.shape
        if entry.symmetric and np.size(value) == 6:
            value = np.asarray(value).reshape(6)[_VOIGT]
        result = _finite(value, shape, frame.where, key)
        if entry.symmetric:
            symmetric = 0.5 * (result + result.swapaxes(-1, -2))
            if np.abs(result - symmetric).max() > 1e-4 * (np.abs(result).max() + 1e-12):
                self.asymmetric[entry.name] += 1
            return symmetric
        return result

    def _note_lacking(self, name: str, frames: Sequence[RawFrame], values: Sequence[np.ndarray | None]) -> None:
        lacking = [frame for frame, value in zip(frames, values, strict=True) if value is None]
        if lacking:
            count, example = self._lacking.get(name, (0, ""))
            keys = ", ".join(sorted({*lacking[0].info, *lacking[0].arrays})) or "none"
            self._lacking[name] = (count + len(lacking), example or f"{lacking[0].where}, whose keys are: {keys}")


def _finite(value: object, shape: tuple[int, ...], where: str, key: str) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind == "b":
            raise ValueError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{key!r} is {value!r}, not a number", where=where, remedy="repair the frame or declare another key"
        ) from None
    if array.size != int(np.prod(shape)) or (array.ndim == 2 and len(shape) == 2 and array.shape != shape):
        raise DataError(
            f"{key!r} has the shape {array.shape}, expected {shape}",
            where=where,
            remedy="repair the frame or declare another key",
        )
    if not np.isfinite(array).all():
        raise DataError(
            f"{key!r} holds NaN or infinite numbers",
            where=where,
            remedy="remove the frame, or leave the label out of it: missing labels are masked",
        )
    return array.reshape(shape)


def _stack(
    values: Sequence[np.ndarray | None], entry: Quantity, frames: Sequence[RawFrame], scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.tensor([value is not None for value in values])
    sizes = [(len(frame.numbers), *entry.shape) if entry.axis == "atom" else entry.shape for frame in frames]
    filled = [np.zeros(size) if value is None else value for value, size in zip(values, sizes, strict=True)]
    joined = np.concatenate(filled) if entry.axis == "atom" else np.stack(filled)
    return torch.from_numpy(np.ascontiguousarray(joined * scale)), mask
