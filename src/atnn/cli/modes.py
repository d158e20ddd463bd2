"""The command that finds vibrations: modes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = {"modes": "Example: [bold]atnn modes run/model.atnn start.xyz --isotope D=1,2 --report modes.html[/bold]"}
NO_ARGUMENTS: tuple[str, ...] = ()


def modes(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    start: Annotated[Path, typer.Argument(help="File with one structure.")],
    output: Annotated[Path | None, typer.Option(help="Modes as .json, .csv or .xyz.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML report.")] = None,
    relax: Annotated[bool, typer.Option(help="Relax the structure first.")] = True,
    fmax: Annotated[float, typer.Option(min=1e-9, help="Largest force then [eV/Angstrom].")] = 1e-3,
    isotope: Annotated[list[str] | None, typer.Option(help="ISOTOPE=ATOMS: D=1,2 or 18O=all.")] = None,
    temperature: Annotated[float, typer.Option(min=0.001, help="Temperature [K].")] = 298.15,
    pressure: Annotated[float, typer.Option(min=1e-12, help="Pressure of the gas [bar].")] = 1.0,
    symmetry: Annotated[int | None, typer.Option(min=1, help="Symmetry number.")] = None,
    laser: Annotated[float | None, typer.Option(min=1, help="Light that is scattered [nm].")] = None,
    width: Annotated[float, typer.Option(min=0.1, help="Width of lines [cm^-1].")] = 10.0,
    anharmonic: Annotated[bool, typer.Option(help="Also anharmonic levels.")] = False,
) -> dict[str, Any]:
    """Compute vibrations with infrared and Raman intensities, and the free energy."""
    from atnn.cli.tables import check_output, print_table
    from atnn.data import Frames, data_hash
    from atnn.model import ModelPotential, hash_model, load_model
    from atnn.observables import analyse_vibrations, check_modes_file, isotope_masses, list_modes, write_modes
    from atnn.observables import relax as minimise
    from atnn.reading import NO_LABELS, read
    from atnn.reports import vibrations

    for path in (output, report):
        if path is not None:
            check_output(path, model, start)
    loaded, begin = load_model(model), read(start, keys=NO_LABELS)[[0]]
    origin = {"potential": hash_model(loaded), "start": data_hash(Frames(begin))}
    potential = ModelPotential(loaded.double())
    if output is not None:
        check_modes_file(output, origin)
    structure = begin.structures.to(dtype=potential.model.dtype)
    masses = isotope_masses(structure.numbers.numpy(), parse_isotopes(isotope or []))
    structure = minimise(potential, structure, fmax=fmax) if relax else structure
    found = analyse_vibrations(
        potential, structure, masses=masses, temperature=temperature, pressure=pressure, symmetry=symmetry,
        anharmonic=anharmonic,
    )  # fmt: skip
    modes, treated, levels, constants = found
    print_table(vibrations.mode_table(modes, laser, temperature), "Harmonic vibrations")
    print_table(vibrations.thermochemistry_table(treated), "Thermochemistry")
    if constants is not None:
        print_table(vibrations.anharmonic_table(constants), "Perturbation theory")
    if levels is not None:
        print_table(vibrations.level_table(levels), "Levels on a grid")
    if output is not None:
        print(f"modes: {write_modes(output, modes, origin)}")
    if report is not None:
        page = vibrations.modes_report(
            modes,
            f"Vibrations of {start.name}",
            cell=structure.cell[0].numpy() if modes.periodic else None,
            width=width,
            laser=laser,
            temperature=temperature,
            thermochemistry=treated,
            levels=levels,
            constants=constants,
        )
        page.provenance.update({"model": str(model), "hash": origin["potential"]})
        print(f"report: {page.write(report)}")
    return {
        **list_modes(modes),
        "masses": modes.masses,
        "energy": modes.energy,
        "largest_force": modes.largest_force,
        "origin": origin,
        "thermochemistry": {name: asdict(one) for name, one in treated.items()},
        "levels": None if levels is None else asdict(levels),
        "fundamentals": None if constants is None else constants.frequencies,
        "units": {
            "frequencies": "cm^-1", "intensities": "km/mol", "activities": "Angstrom^4/amu", "masses": "amu",
            "energy": "eV", "largest_force": "eV/Angstrom", "levels": "cm^-1", "fundamentals": "cm^-1",
            "thermochemistry": "K, bar, eV, eV/K",
        },
    }  # fmt: skip


def parse_isotopes(given: list[str]) -> dict[str, Any]:
    """Isotope -> indices of atoms, or ``all``.

    Raises:
        DataError: It is no ``ISOTOPE=ATOMS``.

    >>> parse_isotopes(["D=1,2", "18O=all"])
    {'D': [1, 2], '18O': 'all'}
    """
    from atnn.errors import DataError

    found: dict[str, Any] = {}
    for text in given:
        isotope, _, atoms = text.partition("=")
        words = atoms.split(",")
        if atoms != "all" and not all(word.strip().isdecimal() for word in words):
            raise DataError(
                f"--isotope {text} is no ISOTOPE=ATOMS",
                where="isotopes",
                remedy="write for instance --isotope D=1,2 --isotope 18O=all; atoms count from zero",
            )
        found[isotope] = "all" if atoms == "all" else [*found.get(isotope, []), *map(int, words)]
    return found


COMMANDS = (modes,)
