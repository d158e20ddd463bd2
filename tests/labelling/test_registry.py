"""Methods are found by the names that people use."""

from __future__ import annotations

import importlib.metadata

import pytest

from atnn.errors import LabellingError
from atnn.labelling import LABELLERS, PyscfLabeller, TbliteLabeller, find_labeller
from labelling.doubles import PolarizableSpring


@pytest.mark.parametrize(
    ("method", "labeller"),
    [
        ("GFN2-xTB", TbliteLabeller("GFN2-xTB")),
        ("gfn1-xtb", TbliteLabeller("GFN1-xTB")),
        ("pbe/def2-svp", PyscfLabeller("pbe", "def2-svp")),
        ("B3LYP/6-31G(d,p)", PyscfLabeller("B3LYP", "6-31G(d,p)")),
        ("pyscf", PyscfLabeller()),
    ],
)
def test_a_method_is_found_by_its_name(method, labeller):
    assert find_labeller(method) == labeller


def test_a_labeller_of_ones_own_is_found_by_its_program(monkeypatch):
    monkeypatch.setitem(LABELLERS, "spring", PolarizableSpring)
    assert find_labeller("spring") == PolarizableSpring()


@pytest.mark.parametrize(
    "method", ["", "/", "pbe/", "/sto-3g", "pbe/../x", "1*/x", "((/sto-3g", "pbe\0/sto-3g", "hf/x y"]
)
def test_what_is_no_method_is_refused_with_a_remedy(method):
    with pytest.raises(LabellingError) as caught:
        find_labeller(method)
    assert "pbe" in caught.value.remedy or "def2-svp" in caught.value.remedy


def test_a_program_that_is_not_installed_is_said_before_anything_runs(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(LabellingError, match=r"tblite is not installed(.|\n)*pip install"):
        find_labeller("GFN2-xTB")


def test_a_method_is_found_with_responses_and_a_labeller_without_them_says_so(monkeypatch):
    pytest.importorskip("tblite")
    labeller = find_labeller("GFN2-xTB", ["polarizability"])
    assert labeller.responses == ("polarizability",) and find_labeller("GFN2-xTB").responses == ()
    with pytest.raises(LabellingError, match="polarisability"):
        find_labeller("GFN2-xTB", ["polarisability"])
    monkeypatch.setitem(LABELLERS, "plain", lambda: labeller)
    with pytest.raises(LabellingError, match="gives no responses"):
        find_labeller("plain", ["polarizability"])
