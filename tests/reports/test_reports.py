"""Reports: numbers are right, pages load nothing, strings are escaped, what is thinned is said."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

from atnn.data import Frames
from atnn.model import Model, ModelSpecification
from atnn.reports import (
    Exhibit,
    Report,
    Sticks,
    Table,
    course,
    drift,
    energy_drift,
    evaluation_report,
    frequencies,
    learning_curves,
    parity,
    spectrum,
    trajectory_view,
)
from atnn.reports.spelling import format_value
from atnn.training import QuantityErrors, evaluate
from systems import ethanol
from training.runs import TINY, labelled

CHROMIUM = Path("/usr/bin/chromium")


def history(epochs=20):
    return [
        {
            "epoch": float(k),
            "metric": 1.0 / k,
            "train_forces": 0.5 / k,
            "validation_forces": 0.6 / k,
            "learning_rate": 1e-3,
        }
        for k in range(1, epochs + 1)
    ]


def traces(page):
    """What the figures of a page draw."""
    plots = re.findall(r'<script type="application/json" data-plot="[^"]*">(.*?)</script>', page, re.DOTALL)
    return [trace for plot in plots for trace in json.loads(plot)["data"]]


def decode(values):
    """Numbers of a trace, which plotly packs."""
    if isinstance(values, list):
        return values
    return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])


def sample_report():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4000, 400)
    report = Report("<script>alert(1)</script>", subtitle="a & b")
    report.number("Force error (RMSE)", 21.3, "meV/Å", target=40.0)
    report.number("Frequency error", 12.0, "1/cm", target=10.0)
    report.add("Training", learning_curves(history()), text="How it went.")
    values = rng.normal(size=(30, 3))
    report.add("Errors", parity(values + 0.01, values, "forces", name="held-out"))
    band = np.exp(-(((x - 1700) / 30) ** 2))
    sticks = Sticks([500.0, 1700.0], [10.0, 80.0])
    report.add("Spectrum", spectrum(x, band, 0.1 * band, model=sticks, direct=sticks, unit="km/mol"))
    times = np.linspace(0, 1000, 50)
    report.add("Energy", energy_drift(times, rng.normal(scale=1e-4, size=(50, 4)), 9))
    frames = ethanol().positions + rng.normal(scale=0.03, size=(5, 9, 3))
    report.add("Motion", trajectory_view(frames, ethanol().numbers, np.arange(5.0)))
    report.provenance["seed"] = "<b>7</b>"
    return report


def test_a_page_loads_nothing_from_anywhere(tmp_path):
    page = sample_report().write(tmp_path / "r.html").read_text(encoding="utf-8")
    own = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"""(src|href)=["']https?:""", own) and "@import" not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"'](?!data:)", own)


def test_strings_of_the_user_are_escaped():
    page = sample_report().html()
    assert "<script>alert(1)</script>" not in page and "&lt;script&gt;alert(1)" in page
    assert "<b>7</b>" not in page and "a &amp; b" in page


def test_every_section_is_there():
    page = sample_report().html()
    assert all(f">{title}<" in page for title in ("Training", "Errors", "Spectrum", "Energy", "Motion"))


def test_a_target_is_kept_or_missed():
    kept, missed = sample_report().numbers
    assert kept.passed is True and missed.passed is False


def test_parity_tells_the_errors_of_all_values_and_how_many_are_drawn():
    rng = np.random.default_rng(1)
    reference = rng.normal(size=30000)
    predicted = reference + rng.normal(scale=0.02, size=30000)
    exhibit = parity(predicted, reference, "forces", most_points=500)
    error = 1e3 * (predicted - reference)
    numbers = [v for row in exhibit.table.rows for v in row if isinstance(v, float)]
    assert any(v == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6) for v in numbers)
    drawn = max(len(trace.x) for trace in exhibit.figure.data if trace.x is not None and trace.type != "bar")
    assert drawn <= 600 and "30,000" in exhibit.caption and "500" in exhibit.caption


def test_parity_tells_elements_apart():
    reference, numbers = np.array([[0.1, 0.2, 0.3], [1.0, 1.1, np.nan], [2.0, 2.1, 2.2]]), [8, 1, 8]
    predicted = reference + np.array([[0.3], [0.1], [-0.4]])
    exhibit = parity(predicted, reference, "forces", numbers=numbers)
    drawn = {trace.name: trace for trace in exhibit.figure.data if trace.showlegend}
    np.testing.assert_allclose(drawn["O"].x, [0.1, 0.2, 0.3, 2.0, 2.1, 2.2])
    np.testing.assert_allclose(drawn["H"].y, [1.1, 1.2])
    assert set(drawn) == {"H", "O"} and drawn["H"].marker.color != drawn["O"].marker.color
    errors = {row[0]: row[2] for row in exhibit.table.rows}
    assert errors["RMSE of H"] == pytest.approx(100.0) and errors["RMSE of O"] == pytest.approx(1e3 * np.sqrt(0.125))


def test_learned_charges_are_shown_element_by_element():
    errors = QuantityErrors(np.array([0.2, -0.4, 0.2]), np.array([0.21, -0.42, 0.21]), np.array([1, 8, 1]))
    report = evaluation_report({"charges": errors}, "model on data")
    figure = report.sections[0].exhibits[1].figure
    assert "charges" in figure.layout.xaxis.title.text and {"H", "O"} <= {trace.name for trace in figure.data}
    assert report.numbers[0].value == pytest.approx(1e3 * np.sqrt(2e-4)) and report.numbers[0].unit == "me"


def test_the_learning_curves_hold_the_history():
    exhibit = learning_curves(history())
    lines = {trace.name: np.asarray(trace.y) for trace in exhibit.figure.data}
    np.testing.assert_allclose(lines["validation forces"], 600.0 / np.arange(1, 21))
    np.testing.assert_allclose(lines["metric"], 1.0 / np.arange(1, 21))


def test_frequencies_are_compared_mode_by_mode():
    table = frequencies([1000.0, 2000.0], [1004.0, 1998.0], [5.0, 6.0], [5.5, 6.5])
    assert "3.0" in table.caption and "4.0" in table.caption and len(table.table.rows) == 2


def test_the_drift_is_the_slope_per_atom_and_picosecond():
    times = np.linspace(0, 2000.0, 200)
    energies = -50.0 + np.outer(times / 1000.0, [0.009, 0.018])
    assert abs(drift(times, energies, 9)) == pytest.approx(1.5, rel=1e-6) or abs(
        drift(times, energies, 9)
    ) == pytest.approx(1.5e-3, rel=1e-6)


def test_a_table_alone_is_an_exhibit():
    report = Report("t")
    report.add("Data", Exhibit(table=Table(["set", "frames"], [["training", 400]])))
    assert "400" in report.html()


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium: the page is not looked at in a browser")
def test_a_browser_shows_every_figure_without_an_error(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    path, complaints = sample_report().write(tmp_path / "r.html"), []
    flags = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=str(CHROMIUM), args=[*flags, "--enable-unsafe-swiftshader"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if r.url.startswith("http") else None)
        page.goto(path.as_uri())
        page.wait_for_timeout(3000)
        assert page.locator(".js-plotly-plot .main-svg").count() >= 4
        assert page.locator("canvas").count() >= 1
        browser.close()
    assert not complaints


def visible(page):
    return re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.S)


def test_a_drift_below_the_rounding_keeps_its_digits():
    times = np.linspace(0, 1000.0, 50)
    caption = energy_drift(times, -1e-7 * times / 1000.0, 10).caption
    assert "-1.00e-05 meV" in caption and "-0.000" not in caption


@pytest.mark.parametrize("value", [0.0, -0.0, -4e-4, -4e-9, 0.00123, 99.996, -999999.6])
def test_numbers_keep_their_significant_digits(value):
    text = format_value(value, digits=3)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=5e-3) and not text.startswith("-0.000 ")
    assert text != "-0"


def test_settings_are_rows_of_key_paths_and_not_dictionaries():
    report = sample_report()
    report.provenance["config"] = {"loss": {"energy": 1.0, "forces": None}, "sets": [{"path": "a.xyz"}], "own": {}}
    text = visible(report.html())
    assert "{" not in text and "config · loss · energy" in text and "config · sets · 1 · path" in text


def test_no_page_spells_the_angstrom_in_letters():
    text = visible(sample_report().html())
    assert "Angstrom" not in text and not re.search(r"eV/A\b", text) and "meV/Å" in text


def test_a_point_tells_its_frame_and_its_unit():
    values = np.zeros((4, 3))
    atoms = parity(values, values + 0.1, "forces", frames=[0, 0, 7, 7]).figure.data[1]
    assert list(atoms.customdata) == ["frame 0"] * 6 + ["frame 7"] * 6 and "eV/Å" in atoms.hovertemplate
    atoms = parity(values, values + 0.1, "forces", frames=[0, 0, 7, 7], atoms=[0, 3, 1, 2]).figure.data[1]
    assert list(atoms.customdata[::3]) == ["frame 0, atom 0", "frame 0, atom 3", "frame 7, atom 1", "frame 7, atom 2"]
    structures = parity([1.0, np.nan, 3.0], [1.1, 2.0, 3.0], "energy").figure.data[1]
    assert list(structures.customdata) == ["labelled frame 0", "labelled frame 2"]
    line = course(np.arange(3000.0), np.zeros((3000, 2)), "energy").figure.data[-1]
    assert list(line.customdata[:2]) == [0, 3] and "eV" in line.hovertemplate and "frame" in line.hovertemplate


def test_the_points_of_a_page_name_the_frame_and_the_atom_of_their_values():
    """Read back from the page, each point must be the value of the frame and the atom that it names."""
    data = labelled(6)
    data.masks["forces"][2] = data.masks["energy"][4] = False
    model = Model(ModelSpecification(elements=(1, 6, 8), representation=TINY, hidden=(8,)), seed=1).double()
    page = evaluation_report(evaluate(model, Frames(data), batch_size=4), "model on data").html()
    first = data.structures.counts.cumsum(0) - data.structures.counts
    seen = 0
    for trace in traces(page):
        unit = re.search(r"reference %{x:.5g} (.*?)<br>", trace.get("hovertemplate", "").replace("\\/", "/"))
        if unit is None or "Å" not in unit[1]:
            continue
        for where, value in zip(trace["customdata"], decode(trace["x"]), strict=True):
            frame, atom = map(int, re.fullmatch(r"frame (\d+), atom (\d+)", where).groups())
            row = int(first[frame]) + atom
            assert frame != 2 and chemical_symbols[int(data.structures.numbers[row])] == trace["name"]
            assert np.isclose(value, data.labels["forces"][row].numpy(), rtol=1e-6, atol=1e-7).any()
            seen += 1
    assert seen == 3 * int(data.structures.counts[[0, 1, 3, 4, 5]].sum())


def test_every_quantity_has_one_card():
    both = {name: QuantityErrors(np.ones(3), np.zeros(3)) for name in ("energy", "energy_per_atom", "dipole")}
    report = evaluation_report(both, "model on data")
    assert [number.name.split(" error")[0] for number in report.numbers] == ["Energy per atom", "Dipole"]


def test_pages_fit_a_narrow_screen():
    page = sample_report().html()
    assert 'name="viewport"' in page and "responsive: true" in page
    assert not re.search(r"[^-]\bwidth:(3[6-9]\d|[4-9]\d\d|\d{4,})px", page.split("<script")[0].split("@media")[0])


@pytest.mark.parametrize(("decades", "ticks"), [(0.1, None), (1.0, "D2"), (3.0, 1), (9.0, 2)])
def test_logarithmic_ticks_leave_room_for_their_labels(decades, ticks):
    rows = [{"epoch": k, "metric": 10 ** (-decades * k)} for k in (0.0, 1.0)]
    assert learning_curves(rows).figure.layout.yaxis.dtick == ticks
