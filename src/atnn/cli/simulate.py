"""Commands that simulate: md, spectrum, harmonic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from atnn.cli.options import LARGEST_SEED, Correction, Format, Kind, Window

EXAMPLES = {
    "md": "Example: [bold]atnn md run/model.atnn start.xyz --copies 16 --temperature 300 --steps 10000[/bold]",
    "spectrum": "Example: [bold]atnn spectrum md.traj --temperature 300 --output spectrum.html[/bold]",
    "harmonic": "Example: [bold]atnn harmonic run/model.atnn start.xyz --output modes.json[/bold]",
}
NO_ARGUMENTS: tuple[str, ...] = ()


def md(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    start: Annotated[Path, typer.Argument(help="Structures to start from.")],
    output: Annotated[Path, typer.Option(help="Trajectory folder; an unfinished one is continued.")] = Path("md.traj"),
    copies: Annotated[int, typer.Option(min=1, help="Independent copies of each structure.")] = 1,
    integrator: Annotated[str, typer.Option(help="verlet (constant energy) or langevin.")] = "verlet",
    temperature: Annotated[float, typer.Option(min=0, help="Temperature of the start and of Langevin [K].")] = 300.0,
    timestep: Annotated[float, typer.Option(min=0.001, help="Time step [fs].")] = 0.5,
    steps: Annotated[int, typer.Option(min=1, help="Number of steps.")] = 10_000,
    every: Annotated[int, typer.Option(min=1, help="Number of steps between frames.")] = 4,
    friction: Annotated[float | None, typer.Option(min=0, help="Langevin friction [1/fs]; 0.01 by default.")] = None,
    outputs: Annotated[list[str] | None, typer.Option(help="Quantity in the frames; by default the dipole.")] = None,
    format: Annotated[Format | None, typer.Option(help="Also export to a file.")] = None,
    compile: Annotated[bool, typer.Option(help="Compile first, half a minute.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of velocities and noise.")] = 0,
) -> dict[str, Any]:
    """Run molecular dynamics of many copies at once; run the command again to continue after an interruption."""
    from atnn.cli.tables import check_replaced
    from atnn.dynamics import Trajectory, export_trajectory
    from atnn.dynamics.simulate import simulate
    from atnn.kernels import keep_memory

    keep_memory()
    exported = None if format is None else format.beside(output)
    if exported is not None:
        check_replaced(exported, model, start)
    report = simulate(
        model,
        start,
        output,
        copies=copies,
        integrator=integrator,
        temperature=temperature,
        timestep=timestep,
        steps=steps,
        every=every,
        friction=friction,
        outputs=outputs or None,
        compile=compile,
        seed=seed,
    )
    print(report)
    print(f"trajectory: {output}")
    if format is not None and exported is not None:
        print(f"exported: {exported} ({export_trajectory(Trajectory(output), exported, format.value)} frames)")
    return {
        "trajectory": output,
        "exported": exported,
        "whole": len(report.numbers),
        "ended": [{"number": entry.number, "step": entry.step, "reason": entry.reason} for entry in report.ended],
        "time": report.series["times"][-1],
        "frames": len(report.series["times"]),
        "temperature": report.temperature,
        "drift": {"mean": report.drift_mean, "worst": report.drift_worst} if report.conserves_energy else None,
        "units": {"time": "fs", "temperature": "K", "drift": "eV/atom/ps"},
    }


def spectrum(
    trajectory: Annotated[Path, typer.Argument(help="Trajectory folder of `atnn md`.")],
    temperature: Annotated[float, typer.Option(min=0.001, help="Temperature of the trajectories [K].")] = 300.0,
    kind: Annotated[Kind, typer.Option(help="Infrared spectrum, or power spectrum of the velocities.")] = Kind.infrared,
    correction: Annotated[Correction, typer.Option(help="Quantum correction.")] = Correction.harmonic,
    window: Annotated[Window, typer.Option(help="Window of the correlation function.")] = Window.hann,
    resolution: Annotated[float, typer.Option(min=0.1, help="Width of a sharp line [cm^-1].")] = 20.0,
    maximum: Annotated[float, typer.Option(min=1, help="Largest wavenumber [cm^-1].")] = 4500.0,
    output: Annotated[
        Path, typer.Option(help="HTML report; numbers (CSV) and their record (JSON) go next to it.")
    ] = Path("spectrum.html"),
) -> dict[str, Any]:
    """Compute the infrared or power spectrum of a trajectory with its statistical error."""
    from atnn.reports import spectrum_report

    written = spectrum_report(
        trajectory,
        output,
        kind=kind.value,
        temperature=temperature,
        correction=correction.value,
        window=window.value,
        resolution=resolution,
        maximum=maximum,
    )
    print(f"report: {written.page}\nnumbers: {written.numbers}\nrecord: {written.record}")
    files = {"report": written.page, "numbers": written.numbers, "record": written.record}
    return {**files, "origin": written.spectrum.origin, **written.columns}


def harmonic(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    start: Annotated[Path, typer.Argument(help="File with one molecule, which is relaxed first.")],
    output: Annotated[Path | None, typer.Option(help="Also write the modes and their units to this JSON file.")] = None,
) -> dict[str, Any]:
    """Compute harmonic frequencies and infrared intensities at the minimum of the model's energy."""
    from atnn.cli.tables import check_output, show, tabulate_modes
    from atnn.data import Frames, data_hash
    from atnn.model import ModelPotential, hash_model, load_model
    from atnn.observables import harmonic, relax, write_modes
    from atnn.observables.modes import MODES
    from atnn.observables.records import refuse_other
    from atnn.reading import read

    if output is not None:
        check_output(output, model, start)
    loaded, begin = load_model(model), read(start)[[0]]
    origin = {"potential": hash_model(loaded), "start": data_hash(Frames(begin))}
    if output is not None:
        refuse_other(output, MODES, origin)  # before the work; writing looks again
    potential, structure = ModelPotential(loaded.double()), begin.structures
    modes = harmonic(potential, relax(potential, structure, fmax=1e-3))
    show(tabulate_modes(modes))
    if output is not None:
        print(f"modes: {write_modes(output, modes, origin)}")
    return {
        "frequencies": modes.frequencies,
        "intensities": modes.intensities,
        "largest_force": modes.largest_force,
        "origin": origin,
        "units": {"frequencies": "cm^-1", "intensities": "km/mol", "largest_force": "eV/Angstrom"},
    }


COMMANDS = (md, spectrum, harmonic)
