"""Reference energies of the elements. A network then learns only what binds the atoms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from atnn.data.dataset import Dataset, as_indices
from atnn.data.labelled import Indices
from atnn.errors import AtnnWarning, DataError
from atnn.structures import Labelled

_BATCH = 1024


def reference_energies(
    dataset: Dataset,
    indices: Indices | None = None,
    isolated: Mapping[int | str, float] | Dataset | None = None,
) -> dict[int, float]:
    """Per-element energies [eV] in float64.

    They are those of given isolated atoms, or else the e_Z that minimise sum_s (E_s - sum_Z n_sZ e_Z)^2. Where the
    compositions do not tell elements apart, as when all frames are the same molecule, the solution has the smallest
    norm.

    Args:
        dataset: The data whose energies are to be explained.
        indices: Structures to use, such as those for training; all when not given.
        isolated: Energies by atomic number or symbol, or a data set with a frame for each atom alone.

    Raises:
        DataError: No frame has an energy, or isolated atoms are given and one is lacking.
    """
    chosen = np.arange(len(dataset)) if indices is None else as_indices(indices, len(dataset))
    compositions = _average_compositions(dataset, chosen)
    elements = sorted({z for composition in compositions for z, _ in composition})
    if isolated is not None:
        return _take_isolated(isolated, elements)
    counted = [(dict(composition), n, mean) for composition, (n, mean) in compositions.items() if n]
    if not counted:
        raise DataError(
            "no frame has an energy, so that reference energies cannot be fitted",
            remedy="give isolated atoms, or data with energies",
        )
    weights = np.sqrt([n for _, n, _ in counted])
    counts = np.array([[composition.get(z, 0) for z in elements] for composition, _, _ in counted], dtype=np.float64)
    energies = np.array([mean for _, _, mean in counted])
    solution, _, rank, _ = np.linalg.lstsq(counts * weights[:, None], energies * weights, rcond=1e-10)
    if rank < len(elements):
        warnings.warn(
            f"{len(counted)} different compositions cannot tell the energies of {len(elements)} elements "
            f"({', '.join(chemical_symbols[z] for z in elements)}) apart; the smallest ones that fit are taken. "
            "Give isolated atoms for physical values",
            AtnnWarning,
            stacklevel=2,
        )
    return {z: float(energy) for z, energy in zip(elements, solution, strict=True)}


def isolated_atoms(dataset: Dataset) -> dict[int, float]:
    """Energies [eV] of the frames that hold a single atom, by atomic number; the lowest where there are several."""
    found: dict[int, float] = {}
    for batch in _list_batches(dataset, np.arange(len(dataset))):
        if "energy" not in batch.labels:
            continue
        structures = batch.structures
        single = (structures.counts == 1) & batch.masks["energy"]
        numbers = structures.numbers[single[structures.batch]]
        for z, energy in zip(numbers.tolist(), batch.labels["energy"][single].tolist(), strict=True):
            found[z] = min(energy, found.get(z, float("inf")))
    return found


def _take_isolated(isolated: Mapping[int | str, float] | Dataset, elements: Sequence[int]) -> dict[int, float]:
    if isinstance(isolated, Mapping):
        energies = {atomic_numbers[z] if isinstance(z, str) else int(z): float(e) for z, e in isolated.items()}
    else:
        energies = isolated_atoms(isolated)
    lacking = [chemical_symbols[z] for z in elements if z not in energies]
    if lacking:
        raise DataError(
            f"no isolated atom of {', '.join(lacking)}",
            remedy="add a frame with that atom alone, or leave isolated atoms out and fit the energies",
        )
    return {z: energies[z] for z in elements}


def _average_compositions(
    dataset: Dataset, indices: np.ndarray
) -> dict[tuple[tuple[int, int], ...], tuple[int, float]]:
    """Composition -> number of frames with an energy, and their mean energy."""
    result: dict[tuple[tuple[int, int], ...], tuple[int, float]] = {}
    for batch in _list_batches(dataset, indices):
        structures = batch.structures
        table = np.zeros((len(structures), 120), dtype=np.int64)
        np.add.at(table, (structures.batch.numpy(), structures.numbers.numpy()), 1)
        unique, inverse = np.unique(table, axis=0, return_inverse=True)
        energy, mask = np.zeros(len(structures)), np.zeros(len(structures), dtype=bool)
        if "energy" in batch.labels:
            energy, mask = batch.labels["energy"].double().numpy(), batch.masks["energy"].numpy()
        for row, counts in enumerate(unique):
            composition = tuple((int(z), int(counts[z])) for z in np.flatnonzero(counts))
            values = energy[(inverse.reshape(-1) == row) & mask]
            n, mean = result.get(composition, (0, 0.0))
            total = n + len(values)
            # The mean is updated by differences, because sums of total energies would lose digits.
            result[composition] = (total, mean + float((values - mean).sum()) / total if total else 0.0)
    return result


def _list_batches(dataset: Dataset, indices: np.ndarray) -> Iterator[Labelled]:
    for start in range(0, len(indices), _BATCH):
        yield dataset[indices[start : start + _BATCH]]
