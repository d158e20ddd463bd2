"""Data sets in memory, and several as one."""

from __future__ import annotations

import pytest

from atnn.data import Frames, Joined, batches_of, concatenate, write_store
from atnn.errors import DataError


def test_indices_and_slices_give_the_same_batch(random_labelled, assert_same):
    data = Frames(random_labelled(0, count=6))
    assert_same(data[1:4], data[[1, 2, 3]])
    assert_same(data[[-1]], data[[5]])


def test_batches_make_up_the_data_set(random_labelled, assert_same):
    data = Frames(random_labelled(1, count=7))
    assert_same(concatenate(batches_of(data, 3)), data.labelled)


@pytest.mark.parametrize("indices", [[7], [-8], []])
def test_an_index_outside_is_an_error(random_labelled, indices):
    with pytest.raises(DataError):
        Frames(random_labelled(0, count=7))[indices]


def test_joined_data_sets_answer_like_one_in_memory(random_labelled, assert_same, tmp_path):
    parts = [random_labelled(seed, count=4, full=True) for seed in range(3)]
    joined = Joined([Frames(parts[0]), write_store(tmp_path / "a.h5", parts[1]), Frames(parts[2])])
    whole = Frames(parts)
    assert len(joined) == 12
    assert_same(joined[[11, 0, 5, 4, 1]], whole[[11, 0, 5, 4, 1]])
    assert joined.summary.elements == whole.summary.elements
    assert joined.summary.labels["forces"].rms == pytest.approx(whole.summary.labels["forces"].rms)


def test_summary_counts_what_is_there(random_labelled):
    batch = random_labelled(3, count=6)
    summary = Frames(batch).summary
    assert summary.frames == 6 and summary.atoms == len(batch.structures.numbers)
    assert sum(summary.elements.values()) == summary.atoms
    assert summary.sizes == (int(batch.structures.counts.min()), int(batch.structures.counts.max()))
    for name, label in summary.labels.items():
        assert label.count == int(batch.masks[name].sum()) and label.missing == 6 - label.count
    assert type(summary).from_dict(summary.as_dict()) == summary
