"""Opening files and stores."""

from __future__ import annotations

import pytest

from atnn.data import Frames, write_store
from atnn.errors import DataError
from atnn.reading import open_dataset, read


def test_keys_and_units_have_no_meaning_for_a_store(random_labelled, tmp_path):
    write_store(tmp_path / "a.h5", random_labelled(0))
    with pytest.raises(DataError, match="no meaning"):
        open_dataset(tmp_path / "a.h5", units={"energy": "hartree", "length": "bohr"})


def test_several_stores_open_as_one(random_labelled, assert_same, tmp_path):
    batches = [random_labelled(seed, full=True) for seed in range(2)]
    for index, batch in enumerate(batches):
        write_store(tmp_path / f"{index}.h5", batch)
    joined = open_dataset([tmp_path / "0.h5", tmp_path / "1.h5"])
    assert_same(joined[[9, 0]], Frames(batches)[[9, 0]])


def test_a_name_that_no_file_can_have_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / ("x" * 5000))
