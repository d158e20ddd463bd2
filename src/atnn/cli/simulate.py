"""Commands that simulate: md, spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from atnn.cli.options import LARGEST_SEED, Correction, Format, Window

EXAMPLES = {
    "md": "Example: [bold]atnn md run/model.atnn start.xyz --copies 16 --temperature 300 --steps 10000[/bold]",
    "spectrum": "Example: [bold]atnn spectrum md.traj --temperature 300 --output spectrum.html[/bold]",
}
NO_ARGUMENTS: tuple[str, ...] = ()


def md(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    start: Annotated[Path, typer.Argument(help="Structures to start from.")],
    output: Annotated[Path, typer.Option(help="Folder; an unfinished run goes on.")] = Path("md.traj"),
    copies: Annotated[int, typer.Option(min=1, help="Copies of every structure.")] = 1,
    integrator: Annotated[str, typer.Option(help="verlet or langevin.")] = "verlet",
    temperature: Annotated[float, typer.Option(min=0, help="Temperature [K].")] = 300.0,
    timestep: Annotated[float, typer.Option(min=0.001, help="Time step [fs].")] = 0.5,
    steps: Annotated[int, typer.Option(min=1, help="Number of steps.")] = 10_000,
    every: Annotated[int, typer.Option(min=1, help="Steps between frames.")] = 4,
    friction: Annotated[float | None, typer.Option(min=0, help="Langevin friction [1/fs].")] = None,
    outputs: Annotated[list[str] | None, typer.Option(help="Quantity in the frames; by default the dipole.")] = None,
    format: Annotated[Format | None, typer.Option(help="Also export to one file.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help='Field "0,0,0.01" [V/Angstrom] or YAML; several are summed.'),
    ] = None,
    compile: Annotated[bool, typer.Option(help="Compile the model first.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Random seed.")] = 0,
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
        field=field or None,
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
    kind: Annotated[
        str, typer.Option(help="infrared, raman, power or sum-frequency, or several with commas: ir,raman,power.")
    ] = "infrared",
    correction: Annotated[Correction, typer.Option(help="Quantum correction.")] = Correction.harmonic,
    window: Annotated[Window, typer.Option(help="Window of the correlation function.")] = Window.hann,
    resolution: Annotated[float, typer.Option(min=0.1, help="Width of a sharp line [cm^-1].")] = 20.0,
    maximum: Annotated[float, typer.Option(min=1, help="Largest wavenumber [cm^-1].")] = 4500.0,
    laser: Annotated[
        float | None, typer.Option(min=1, help="Laser of the Raman spectrum [nm]; without one, Raman activities.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model that computes dipoles and polarizabilities anew along the frames.")
    ] = None,
    modes: Annotated[Path | None, typer.Option(help="File of `atnn modes`: the power spectrum mode by mode.")] = None,
    output: Annotated[
        Path, typer.Option(help="HTML report; numbers (CSV) and their record (JSON) go next to it.")
    ] = Path("spectrum.html"),
) -> dict[str, Any]:
    """Compute infrared, Raman, power and sum-frequency spectra of a trajectory with their statistical errors."""
    from atnn.reports import spectrum_report

    written = spectrum_report(
        trajectory,
        output,
        kind=kind,
        temperature=temperature,
        correction=correction.value,
        window=window.value,
        resolution=resolution,
        maximum=maximum,
        laser=laser,
        model=model,
        modes=modes,
    )
    numbers = written.numbers
    print(f"report: {written.page}\nnumbers: {', '.join(map(str, numbers.values()))}\nrecord: {written.record}")
    found: dict[str, Any] = {"report": written.page, "record": written.record, "origin": written.origin}
    if len(numbers) == 1:
        ((name, file),) = numbers.items()
        return {**found, "numbers": file, **written.columns(name)}
    return {**found, "numbers": numbers, "spectra": {name: written.columns(name) for name in numbers}}


COMMANDS = (md, spectrum)
