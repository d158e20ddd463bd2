"""The store: lazy, exact, quick, and honest about damage."""

from __future__ import annotations

import errno
import os
import pickle
import tracemalloc
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atnn.data import Frames, Store, concatenate, data_hash, write_store
from atnn.data.seals import write_seal
from atnn.errors import DataError
from atnn.reading import open_dataset

FIXTURES = Path(__file__).parent / "fixtures"


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_what_is_written_is_read_back_exactly(random_labelled, assert_same, tmp_path, seed, count):
    batch = random_labelled(seed, count)
    store = write_store(tmp_path / "a.h5", batch)
    assert len(store) == count
    assert_same(store[:], batch)
    order = np.random.default_rng(seed).integers(0, count, 4)
    assert_same(store[order], Frames(batch)[order])
    assert data_hash(store) == data_hash(Frames(batch))
    assert store.summary == Frames(batch).summary


def test_batches_whose_labels_come_late_equal_their_concatenation(random_labelled, assert_same, tmp_path):
    batches = [random_labelled(seed, count=3) for seed in range(5)]
    assert len({frozenset(batch.labels) for batch in batches}) > 1
    store = write_store(tmp_path / "a.h5", iter(batches))
    assert_same(store[:], concatenate(batches))
    assert data_hash(store) == data_hash(Frames(batches))
    store.verify()


def test_conversion_needs_no_more_memory_for_more_frames(random_labelled, tmp_path):
    batch = random_labelled(0, count=200, full=True)
    write_store(tmp_path / "warm.h5", batch)
    peaks = []
    for repeats in (5, 50):
        tracemalloc.start()
        write_store(tmp_path / "a.h5", (batch for _ in range(repeats)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    size = os.path.getsize(tmp_path / "a.h5")
    assert peaks[1] - peaks[0] < 0.35 * size  # assembling works in blocks of a column


def _energies(store):
    return store[[2, 0]].labels["energy"].tolist()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_together(random_labelled, tmp_path, method):
    store = write_store(tmp_path / "a.h5", random_labelled(0, full=True))
    with get_context(method).Pool(2) as pool:
        results = pool.map(_energies, [store, store])
    assert results == [_energies(store)] * 2


def test_a_store_travels_as_its_path(random_labelled, assert_same, tmp_path):
    store = write_store(tmp_path / "a.h5", random_labelled(0, full=True))
    content = pickle.dumps(store)
    assert len(content) < 500
    assert_same(pickle.loads(content)[:], store[:])


@pytest.mark.parametrize("version", [1, 2, 3])
def test_stores_of_every_version_load(version):
    # Written by earlier programs: see fixtures/README.md.
    store = Store(FIXTURES / f"store_v{version}.h5")
    store.verify()
    batch = store[[0, 2]]
    assert len(store) == 3 and batch.structures.numbers.tolist() == [8, 1, 1, 8, 1, 1]
    assert batch.labels["energy"].tolist() == [-10.0, -12.0]
    assert batch.masks["dipole"].tolist() == [True, False]
    assert batch.structures.charge.tolist() == [0.0, 1.0]
    assert store.summary.stated["charge"] == {"0": 2, "1": 1}
    if version > 1:
        assert batch.structures.field[:, 2].tolist() == [0.0, pytest.approx(0.2)]
        assert store.summary.magnitudes["field"] == (0.0, pytest.approx(0.2))


def test_a_label_without_a_row_in_the_table_is_an_error(random_labelled, tmp_path):
    write_store(tmp_path / "a.h5", random_labelled(0, full=True))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.move("labels/dipole", "labels/octupole")
    write_seal(tmp_path / "a.h5")
    with pytest.raises(DataError, match="label 'octupole', which is not in the table") as caught:
        Store(tmp_path / "a.h5")
    assert "QUANTITIES['octupole'] = Quantity" in caught.value.remedy


def test_a_newer_version_is_refused(random_labelled, tmp_path):
    write_store(tmp_path / "a.h5", random_labelled(0))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(DataError, match="version 99 is newer") as caught:
        Store(tmp_path / "a.h5")
    assert "update atnn" in caught.value.remedy


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.999])
def test_a_truncated_store_is_an_error(random_labelled, tmp_path, keep):
    path = tmp_path / "a.h5"
    write_store(path, random_labelled(0, count=50, full=True))
    os.truncate(path, int(keep * path.stat().st_size))
    with pytest.raises(DataError, match="damaged or truncated"):
        open_dataset(path)


def test_one_flipped_bit_is_found(random_labelled, tmp_path):
    path = tmp_path / "a.h5"
    batch = random_labelled(0, count=50, full=True)
    write_store(path, batch)
    content = bytearray(path.read_bytes())
    place = content.find(batch.labels["forces"].numpy().tobytes())
    assert place > 0
    content[place + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="does not match its hash"):
        open_dataset(path)


def test_a_store_whose_seal_is_gone_is_damaged(random_labelled, tmp_path):
    path = tmp_path / "a.h5"
    write_store(path, random_labelled(0))
    os.truncate(path, path.stat().st_size - 24)
    with pytest.raises(DataError, match="its seal is gone"):
        Store(path)


def test_hdf5_never_sees_a_small_file_that_has_changed(random_labelled, tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write_store(path, random_labelled(0))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(h5py, "File", None)  # which never returns from some damaged files
    with pytest.raises(DataError, match="does not match its hash"):
        Store(path)


def test_a_foreign_hdf5_file_is_no_store(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="neither a store nor"):
        open_dataset(tmp_path / "a.h5")


def test_a_full_disk_leaves_the_old_store(random_labelled, assert_same, tmp_path, monkeypatch):
    batch = random_labelled(0)
    write_store(tmp_path / "a.h5", batch)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write_store(tmp_path / "a.h5", random_labelled(1))
    assert os.listdir(tmp_path) == ["a.h5"]
    assert_same(Store(tmp_path / "a.h5")[:], batch)


def test_nothing_to_write_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no structures"):
        write_store(tmp_path / "a.h5", iter([]))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["pbc", "masks/energy", "offsets"])
def test_a_column_that_became_a_single_value_is_damage(random_labelled, tmp_path, name):
    write_store(tmp_path / "a.h5", random_labelled(0, full=True))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file[name]
        file[name] = 1.0
    write_seal(tmp_path / "a.h5")
    with pytest.raises(DataError, match="damaged"):
        Store(tmp_path / "a.h5")
