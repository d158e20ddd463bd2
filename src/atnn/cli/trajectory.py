"""Commands for trajectories: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Write trajectories for other programs.", no_args_is_help=True, rich_markup_mode="rich")
EXAMPLES = {"export": "Example: [bold]atnn trajectory export md.traj md.xyz --every 10[/bold]   (or md.h5md)"}
NO_ARGUMENTS: tuple[str, ...] = ()
FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj", ".h5md": "h5md", ".h5": "h5md"}


def export(
    trajectory: Annotated[Path, typer.Argument(help="Trajectory folder of `atnn md`.")],
    output: Annotated[Path, typer.Argument(help="File to write.")],
    format: Annotated[str | None, typer.Option(help="extxyz, traj or h5md; by default that of the name.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Write every n-th frame.")] = 1,
    structures: Annotated[list[int] | None, typer.Option(help="Number of a structure; all by default.")] = None,
) -> dict[str, Any]:
    """Write a trajectory as extended XYZ, ASE's traj or H5MD, which ASE, OVITO, VMD and MDAnalysis open."""
    from atnn.dynamics import Trajectory, export_trajectory

    kind = format or FORMATS.get(output.suffix, "extxyz")
    written = export_trajectory(Trajectory(trajectory), output, kind, every, structures or None)
    print(f"wrote {output}: {written} frames as {kind}")
    return {"output": output, "format": kind, "frames": written}


COMMANDS = (export,)
