"""The demonstration: its table of numbers, and the picture of the README.

    OMP_NUM_THREADS=1 python -m benchmarks.science.demo [--output atnn-demo]

Runs `atnn demo` in the folder, or takes what is there, and writes docs/images/demo.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from benchmarks import systems

from atnn.demo import DemoSettings, run_demo, stages
from atnn.dynamics import Trajectory
from atnn.model import ModelPotential, load_model
from atnn.observables import NormalModes, SpectrumSettings, trajectory_spectra
from atnn.units import typeset

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = systems.ROOT / "docs" / "images" / "demo.png"
ROWS = {
    "force_rmse": "force RMSE on held-out geometries [meV/A]",
    "energy_rmse": "energy RMSE, held out [meV/atom]",
    "dipole_rmse": "dipole RMSE, held out [me A]",
    "polarizability_rmse": "polarizability RMSE, held out [A^3]",
    "frequency_difference": "harmonic frequencies against direct xTB, mean difference [cm^-1]",
    "intensity_difference": "harmonic intensities, mean difference [km/mol]",
    "activity_difference": "Raman activities, mean difference [A^4/amu]",
    "activity_difference_relative": "Raman activities, mean difference over mean activity",
    "drift": "drift at constant energy [meV/atom/ps]",
}
PANELS = {"infrared": ("Infrared", "intensities", "km/mol"), "raman": ("Raman", "activities", "Å⁴/amu")}
MODEL, DIRECT = "#1c6ea4", "#b2906b"


def draw(folder: Path, settings: DemoSettings, temperature: float, path: Path) -> None:
    """Draw bands of the dynamics, and below them the harmonic lines of model (up) and xTB (down)."""
    model, direct = (
        stages.find_modes(stages.reference_potential(folder, settings), settings, folder / f"modes-{name}.json")
        for name in ("model", "direct")
    )
    chosen = SpectrumSettings(temperature, resolution=stages.RESOLUTION)
    surface = ModelPotential(load_model(folder / "training-polarizability" / "model.atnn"))
    spectra = trajectory_spectra(Trajectory(folder / "dynamics"), tuple(PANELS), chosen, surface).curves
    figure, axes = plt.subplots(
        2, 2, figsize=(11, 5), sharex=True, height_ratios=(3, 2), layout="constrained", squeeze=False
    )
    for column, (kind, (title, heights, unit)) in enumerate(PANELS.items()):
        spectrum, (top, bottom) = spectra[kind]["intensity"], axes[:, column]
        margin = 0 if spectrum.error is None else spectrum.error
        low, high = np.maximum(spectrum.intensity - margin, 0), spectrum.intensity + margin
        top.fill_between(spectrum.frequencies, low, high, color=MODEL, alpha=0.2, linewidth=0, label="standard error")
        top.plot(spectrum.frequencies, spectrum.intensity, color=MODEL, linewidth=1.3, label="dynamics of the model")
        top.set(title=title, ylabel=typeset(spectrum.unit), ylim=(0, None), xlim=(0, 3800))
        _sticks(bottom, {"model, harmonic": (model, 1, MODEL), "xTB itself, harmonic": (direct, -1, DIRECT)}, heights)
        bottom.set(xlabel="wavenumber [cm⁻¹]", ylabel=unit)
    axes[0, 0].legend(frameon=False)
    axes[1, 0].legend(frameon=False)
    figure.savefig(path, dpi=90)


def _sticks(axes: plt.Axes, lines: Mapping[str, tuple[NormalModes, int, str]], heights: str) -> None:
    for name, (modes, sign, color) in lines.items():
        axes.vlines(modes.frequencies, 0, sign * getattr(modes, heights), color=color, linewidth=2.5, label=name)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")


def main() -> None:
    """Run the demonstration, print its numbers as Markdown and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="atnn-demo")
    folder = Path(parser.parse_args().output)
    result = run_demo(folder)
    draw(folder, DemoSettings(), result.numbers["temperature"], PICTURE)
    print("| result | reached |\n|---|--:|")
    for name, words in ROWS.items():
        print(f"| {words} | {result.numbers[name]:.3g} |")
    print(f"| wall time of this call [s] | {sum(result.seconds.values()):.0f} |")


if __name__ == "__main__":
    main()
