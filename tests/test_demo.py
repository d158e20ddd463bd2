from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from atnn.demo import run_demo
from atnn.errors import DataError, SpecificationError

pytest.importorskip("tblite")
SMALL = {"molecule": "water", "geometries": 60, "epochs": 50, "rounds": 1, "copies": 4, "picoseconds": 0.3}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return folder, run_demo(folder, **SMALL)


def test_a_small_demonstration_learns_water(first):
    numbers = first[1].numbers
    assert numbers["force_rmse"] < 250
    assert numbers["frequency_difference"] < 300
    assert numbers["drift"] < 1
    assert numbers["activity_difference_relative"] < 0.5  # one for a model without Raman scattering
    assert 30 < numbers["temperature"] < 900  # few degrees of freedom
    assert all(np.isfinite(value) for value in numbers.values())


def test_direct_frequencies_are_those_of_water(first):
    direct = json.loads((first[0] / "modes-direct.json").read_text())
    # xtb 6.5.1 --hess
    np.testing.assert_allclose(direct["frequencies"], [1539, 3644, 3652], atol=15)
    assert min(direct["intensities"]) >= 0 and max(direct["intensities"]) > 20
    # The symmetric stretch scatters most, as in every method.
    assert np.argmax(direct["activities"]) == 1 and min(direct["activities"]) >= 0


def test_the_report_is_one_file_with_all_sections(first):
    page = first[1].report.read_text(encoding="utf-8")
    titles = ("Data", "Training", "Errors on held-out", "Infrared spectrum", "Raman spectrum", "Dynamics at constant")
    for title in titles:
        assert title in page
    assert "Å⁴/amu" in page and "too small" in page  # the caution about polarizabilities of xTB
    assert "validation forces" in page, "the learning curves are empty"
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']https?:", page)


def test_run_again_it_reuses_everything(first):
    folder, before = first
    products = {path: path.stat().st_mtime_ns for path in (folder / "train.xyz", folder / "training" / "model.atnn")}
    again = run_demo(folder, **SMALL)
    assert again.numbers == before.numbers
    assert all(path.stat().st_mtime_ns == time for path, time in products.items())
    assert again.seconds["training"] < max(1.0, before.seconds["training"])


def test_another_setting_needs_another_folder(first):
    with pytest.raises(DataError, match="another seed"):
        run_demo(first[0], **SMALL, seed=5)


def test_unknown_molecules_and_knobs_are_errors(tmp_path):
    with pytest.raises(SpecificationError, match="molecule"):
        run_demo(tmp_path, molecule="benzene")
    with pytest.raises(SpecificationError, match="epoch"):
        run_demo(tmp_path, epoch=3)
