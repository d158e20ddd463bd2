"""Extended XYZ written here is read back exactly, and by ASE."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atnn.data import Frames, write_extxyz, write_store
from atnn.reading import read
from atnn.reading.readers.extxyz import EXTXYZ
from atnn.reading.recognition import Recogniser


def read_quietly(path):
    recogniser = Recogniser(EXTXYZ, None, None, str(path))
    return recogniser.recognise(list(EXTXYZ.frames(path)))


@given(st.integers(0, 10_000), st.sampled_from(["a.xyz", "a.xyz.gz"]))
def test_every_digit_survives(random_labelled, assert_same, tmp_path, seed, name):
    batch = random_labelled(seed)
    write_extxyz(tmp_path / name, batch)
    assert_same(read_quietly(tmp_path / name), batch)


def test_ase_reads_the_same_numbers(random_labelled, tmp_path):
    batch = random_labelled(0, full=True)
    write_extxyz(tmp_path / "a.xyz", batch)
    start = 0
    for index, atoms in enumerate(ase.io.read(tmp_path / "a.xyz", ":")):
        end = start + len(atoms)
        assert np.array_equal(atoms.positions, batch.structures.positions[start:end])
        assert np.array_equal(atoms.numbers, batch.structures.numbers[start:end])
        assert np.array_equal(atoms.cell, batch.structures.cell[index])
        assert np.array_equal(atoms.pbc, batch.structures.pbc[index])
        assert atoms.get_potential_energy() == batch.labels["energy"][index]
        assert np.array_equal(atoms.get_forces(), batch.labels["forces"][start:end])
        assert np.allclose(atoms.get_stress(voigt=False), batch.labels["stress"][index], atol=1e-14)
        assert np.array_equal(atoms.get_dipole_moment(), batch.labels["dipole"][index])
        assert np.array_equal(atoms.get_charges(), batch.labels["charges"][start:end])
        assert atoms.info["charge"] == batch.structures.charge[index]
        assert atoms.info["spin"] == batch.structures.spin[index]
        assert np.array_equal(atoms.info["electric_field"], batch.structures.field[index])
        start = end
    assert start == len(batch.structures.numbers)


def test_a_store_is_written_without_loading_it(random_labelled, assert_same, tmp_path):
    store = write_store(tmp_path / "a.h5", random_labelled(3, count=9, full=True))
    write_extxyz(tmp_path / "a.xyz", store)
    assert_same(read_quietly(tmp_path / "a.xyz"), store[:])


@pytest.mark.filterwarnings("ignore::atnn.errors.AtnnWarning")
def test_read_and_written_data_have_the_same_hash(random_labelled, tmp_path):
    from atnn.data import data_hash

    batch = random_labelled(1, full=True)
    write_extxyz(tmp_path / "a.xyz", batch)
    assert data_hash(read(tmp_path / "a.xyz")) == data_hash(Frames(batch))
