"""The report of normal modes: its tables and spectra hold what was computed, and its picture moves the atoms."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from atnn.observables import harmonic, isotope_masses, thermochemistry, vibrational_levels, vpt2
from atnn.reports import broadened, mode_table, mode_view, modes_report
from atnn.reports.vibrations import AMPLITUDE
from observables.bonds import Bonds, bent

MASSES = isotope_masses(bent().numbers.numpy(), {"D": "all"})
MODES = harmonic(Bonds(("energy", "forces", "dipole", "polarizability")), bent(), masses=MASSES)


def test_the_table_flags_imaginary_frequencies_and_leaves_out_what_is_not_known():
    table = mode_table(dataclasses.replace(MODES, frequencies=np.array([-312.04, 100.0, 200.0])), laser=532.0)
    assert [row[1] for row in table.rows] == ["312.0i", "100.0", "200.0"]
    assert table.columns[2:4] == ["intensity [km/mol]", "Raman activity [Å⁴/amu]"] and table.rows[0][5] == "0.000"
    bare = dataclasses.replace(MODES, intensities=None, activities=None, depolarizations=None)
    assert mode_table(bare, laser=532.0).columns == ["mode", "frequency [cm⁻¹]"]


def test_spectra_hold_the_intensities_as_areas():
    figure = broadened(MODES, width=20.0, shape="gaussian").figure
    infrared, raman = (trace for trace in figure.data if trace.name)
    assert np.trapezoid(infrared.y, infrared.x) == pytest.approx(MODES.intensities.sum(), rel=1e-4)
    assert np.trapezoid(raman.y, raman.x) == pytest.approx(MODES.activities.sum(), rel=1e-4)
    assert "km/mol" in figure.layout.yaxis.title.text and "amu" in figure.layout.yaxis2.title.text
    single = broadened(dataclasses.replace(MODES, activities=None)).figure
    assert [trace.name for trace in single.data if trace.name] == ["infrared"]


def test_the_picture_moves_atoms_along_the_modes():
    view = mode_view(MODES).view
    assert len(view.motions) == 3 and view.motions[0].label == f"1: {MODES.frequencies[0]:.1f} cm⁻¹"
    moves = np.array([motion.moves for motion in view.motions]).reshape(3, 3, 3)
    assert np.linalg.norm(moves, axis=2).max(axis=1) == pytest.approx([AMPLITUDE] * 3, abs=1e-3)
    overlap = (moves * MODES.displacements).sum((1, 2))
    sizes = np.linalg.norm(moves, axis=(1, 2)) * np.linalg.norm(MODES.displacements, axis=(1, 2))
    assert overlap / sizes == pytest.approx([1.0] * 3, abs=1e-3)


def test_the_page_holds_everything_and_loads_nothing():
    potential = Bonds(("energy", "forces"))
    page = modes_report(
        MODES,
        "Heavy water <D2O>",
        laser=532.0,
        thermochemistry={low: thermochemistry(MODES, low=low) for low in ("harmonic", "grimme", "truhlar")},
        levels=vibrational_levels(potential, bent(), masses=MASSES, count=3, points=(6, 8)),
        constants=vpt2(potential, bent(), MODES),
    ).html()
    for title in ("Modes", "Spectra", "Motion", "Thermochemistry", "Anharmonic frequencies", "Vibrational levels"):
        assert f">{title}<" in page
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.S)
    assert "O D D" in text and "&lt;D2O&gt;" in text and "symmetry number 2" in text and "Angstrom" not in text
    assert page.count("<option>") == 3 and not re.search(r"""(src|href)=["']https?:""", text)
    data = json.loads(re.search(r'data-view="[^"]*">(.*?)</script>', page, flags=re.S)[1])
    assert len(data["motions"]) == 3 and len(data["motions"][0]) == 9 and data["xyz"].count("\n") == 5
