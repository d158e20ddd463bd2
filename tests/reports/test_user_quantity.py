"""A quantity that a user adds to the table is shown by every report as the built-in ones are."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.data import Summary
from atnn.dynamics import State, VelocityVerlet, run
from atnn.quantities import QUANTITIES, Quantity
from atnn.reports import course, data_summary, evaluation_report, learning_curves, parity, trajectory_report
from atnn.structures import Labelled, Structures
from atnn.training import QuantityErrors
from atnn.units import CHARGE, ENERGY, LENGTH, angstrom3_polarizability
from dynamics.analytic import Morse

POLARIZABILITY = Quantity(
    "polarizability",
    axis="structure",
    shape=(3, 3),
    dimension=CHARGE**2 * LENGTH**2 / ENERGY,
    extensive=True,
    rank=2,
    parity=1,
    symmetric=True,
    display=("Angstrom^3", 1 / angstrom3_polarizability),
)


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setitem(QUANTITIES, "polarizability", POLARIZABILITY)


def tensors(count, seed=0):
    return np.eye(3) + 0.1 * np.random.default_rng(seed).normal(size=(count, 3, 3))


class Polarizable(Morse):
    """A Morse molecule whose polarizability is the unit tensor times the square of its bond length."""

    outputs = Morse.outputs | {"polarizability"}

    def __call__(self, structures, outputs):
        bonds = structures.positions.view(-1, 2, 3).diff(dim=1)
        tensor = bonds.square().sum(dim=(1, 2))[:, None, None] * torch.eye(3, dtype=bonds.dtype)
        return {**super().__call__(structures, outputs), "polarizability": tensor}


def test_parity_shows_it_in_its_unit_for_people_and_tells_the_diagonal_apart():
    reference = tensors(20)
    exhibit = parity(reference + 0.1 * np.eye(3), reference, "polarizability")
    assert exhibit.figure.layout.xaxis.title.text == "reference polarizability [Å³]"
    assert exhibit.figure.layout.xaxis2.title.text == "error, predicted − reference [Å³]"
    errors = {row[0]: row[2] for row in exhibit.table.rows}
    assert errors["RMSE of diagonal"] == pytest.approx(0.1 / angstrom3_polarizability)
    assert errors["RMSE of off the diagonal"] == pytest.approx(0, abs=1e-12)
    drawn = {trace.name: np.asarray(trace.x) for trace in exhibit.figure.data if trace.showlegend}
    assert len(drawn["diagonal"]) == 60 and drawn["diagonal"].mean() == pytest.approx(14.4, rel=0.1)


def test_evaluations_and_learning_curves_show_it():
    errors = QuantityErrors(tensors(4) + 0.2, tensors(4))
    report = evaluation_report({"polarizability": errors, "polarizability_per_atom": errors}, "model on data")
    assert [number.name.split(",")[0] for number in report.numbers] == [
        "Polarizability per atom error",
    ]
    assert [number.unit for number in report.numbers] == ["Å³/atom"]
    assert [row[:2] for row in report.sections[0].exhibits[0].table.rows] == [
        ["polarizability", "Å³"],
        ["polarizability per atom", "Å³/atom"],
    ]
    assert report.numbers[0].value == pytest.approx(0.2 / angstrom3_polarizability)
    curves = learning_curves([{"epoch": k, "validation_polarizability": 1.0 / k} for k in (1.0, 2.0)])
    assert [note.text for note in curves.figure.layout.annotations] == ["polarizability [Å³]"]
    np.testing.assert_allclose(curves.figure.data[0].y, np.array([1.0, 0.5]) / angstrom3_polarizability)


def test_the_summary_of_data_shows_it():
    structures, summary = Structures.from_ase([molecule("CO")] * 3), Summary()
    labels = {"polarizability": torch.tensor(tensors(3))}
    summary.add(Labelled(structures, labels, {"polarizability": torch.ones(3, dtype=torch.bool)}))
    rows = {row[0]: row[1] for row in data_summary({"train": summary}).table.rows}
    assert rows["polarizability"].endswith("Å³") and "3 frames" in rows["polarizability"]


def test_the_report_of_a_trajectory_shows_it(tmp_path):
    start = State.start(Structures.from_ase([molecule("CO")] * 2))
    outputs = ("dipole", "charges", "polarizability")
    run(start, Polarizable(), VelocityVerlet(0.5), 8, trajectory=tmp_path / "md", every=2, outputs=outputs)
    report = trajectory_report(tmp_path / "md")
    titles = [exhibit.figure.layout.yaxis.title.text for exhibit in report.sections[0].exhibits]
    assert sorted(titles) == [
        "charges [e]",
        "energy [eV]",
        "length of the dipole [e·Å]",
        "mean diagonal of the polarizability [Å³]",
    ]
    line = report.sections[0].exhibits[titles.index("mean diagonal of the polarizability [Å³]")].figure.data[-1]
    assert len(line.y) == 5
    length = molecule("CO").get_distance(0, 1)
    assert line.y[0] == pytest.approx(length**2 / angstrom3_polarizability, rel=1e-6)
    assert "polarizability" in report.html()


@pytest.mark.parametrize(("rank", "shown"), [(0, -2.0), (1, 2 * np.sqrt(3)), (2, -2.0), (3, 2 * np.sqrt(27))])
def test_the_course_is_of_numbers_that_do_not_turn_with_the_molecule(monkeypatch, rank, shown):
    entry = Quantity("own", "structure", (3,) * rank, ENERGY, True, rank, (-1) ** rank)
    monkeypatch.setitem(QUANTITIES, "own", entry)
    exhibit = course([0.0, 1.0], np.full((2, 4, *entry.shape), -2.0), "own")
    np.testing.assert_allclose(exhibit.figure.data[-1].y, shown)
