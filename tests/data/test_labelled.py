"""Joining and selecting labelled structures."""

from __future__ import annotations

import pytest
import torch

from atnn.data import Frames, concatenate, select
from atnn.errors import DataError
from atnn.structures import Labelled


@pytest.mark.parametrize("seed", range(6))
def test_parts_of_a_batch_join_to_the_batch(random_labelled, assert_same, seed):
    whole = random_labelled(seed, count=7)
    parts = [select(whole, [0, 1]), select(whole, slice(2, 6)), select(whole, torch.tensor([6]))]
    assert_same(concatenate(parts), whole)


def test_a_label_missing_in_one_part_is_zero_and_masked_there(random_labelled):
    full = random_labelled(0, count=2, full=True)
    bare = Labelled(full.structures, {"energy": full.labels["energy"]}, {"energy": full.masks["energy"]})
    joined = concatenate([bare, full])
    atoms = len(full.structures.numbers)
    assert joined.masks["forces"].tolist() == [False, False, True, True]
    assert not joined.labels["forces"][:atoms].any()
    assert torch.equal(joined.labels["forces"][atoms:], full.labels["forces"])
    assert joined.masks["energy"].all()


def test_selection_keeps_the_order_asked_for(random_labelled):
    whole = random_labelled(1, full=True)
    chosen = select(whole, [3, 0, 3])
    assert torch.equal(chosen.labels["energy"], whole.labels["energy"][[3, 0, 3]])
    assert torch.equal(chosen.labels["charges"][chosen.structures.batch == 1],
                       whole.labels["charges"][whole.structures.batch == 0])  # fmt: skip


def test_nothing_to_concatenate_is_an_error():
    with pytest.raises(DataError, match="nothing"):
        concatenate([])


def test_forces_of_another_shape_are_an_error(random_labelled):
    whole = random_labelled(2, full=True)
    wrong = Labelled(whole.structures, {"forces": torch.zeros(1, 3)}, {"forces": whole.masks["forces"]})
    with pytest.raises(DataError, match=r"forces has the shape \(1, 3\)"):
        Frames(wrong)


def test_a_label_without_mask_is_an_error(random_labelled):
    whole = random_labelled(2, full=True)
    with pytest.raises(DataError, match="no mask"):
        Frames(Labelled(whole.structures, whole.labels, {}))
