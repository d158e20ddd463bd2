"""Reports: numbers are right, pages load nothing, strings are escaped, what is thinned is said."""

import re
from pathlib import Path

import numpy as np
import pytest

from atnn.reports import (
    Exhibit,
    Report,
    Sticks,
    Table,
    drift,
    energy_drift,
    evaluation_report,
    frequencies,
    learning_curves,
    parity,
    spectrum,
    trajectory_view,
)
from atnn.training import QuantityErrors
from systems import ethanol

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


def sample_report():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4000, 400)
    report = Report("<script>alert(1)</script>", subtitle="a & b")
    report.number("Force error (RMSE)", 21.3, "meV/A", target=40.0)
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
    figure = report.sections[0].exhibits[0].figure
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
