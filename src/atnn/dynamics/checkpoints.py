"""States in full precision: after a chunk of frames, and where a trajectory ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from atnn.archives import Archive, encode
from atnn.dynamics.ended import Ended
from atnn.dynamics.layout import check_shapes, on_cpu, open_part, part_header
from atnn.dynamics.state import State, axis_of
from atnn.files import write_atomically

PREFIX = "checkpoint."
_PLAIN = ("number", "reason", "fault", "step", "time", "what", "where", "remedy")  # of Ended


def checkpoint_of(
    state: State, numbers: Int[Tensor, " running"], count: int, generator: torch.Generator | None
) -> dict[str, Tensor]:
    """All that a run needs to go on from here, on the CPU.

    Args:
        state: The state of the trajectories that are still in the batch.
        numbers: Their numbers.
        count: How many there were when the run began.
        generator: Source of random numbers, if the run uses one.
    """
    running = torch.zeros(count, dtype=torch.bool)
    running[numbers] = True
    tensors = {
        "positions": state.structures.positions,
        "velocities": state.velocities,
        "degrees": state.degrees,
        "step": state.step,
        "time": state.time,
        "running": running,
        "generator": None if generator is None else generator.get_state(),
        **{f"results.{name}": value for name, value in state.results.items()},
        **{f"variables.{name}": value for name, value in state.variables.items()},
    }
    return {f"{PREFIX}{name}": value for name, value in on_cpu(tensors).items()}


def load_checkpoint(
    archive: Archive, start: State, generator: torch.Generator | None
) -> tuple[State, Int[Tensor, " running"]]:
    """The state after a chunk and the numbers of its trajectories; the generator is set to what it was then.

    Args:
        archive: The chunk.
        start: The state that the run began with.
        generator: The generator to set, if the run used one.

    Raises:
        DataError: The chunk is damaged.
    """
    names = [name.removeprefix(PREFIX) for name in archive.names if name.startswith(PREFIX)]
    numbers = torch.arange(len(start.structures))
    if "running" in names:  # from version 2 on
        check_shapes(archive, {f"{PREFIX}running": (len(numbers),)})
        numbers = archive[f"{PREFIX}running"].bool().nonzero()[:, 0]
    state = start if len(numbers) == len(start.structures) else start.select(numbers)
    check_shapes(archive, _shapes_of(state, names))
    saved = {name: archive[f"{PREFIX}{name}"] for name in names}
    if generator is not None and "generator" in saved:
        try:
            generator.set_state(saved["generator"])
        except (RuntimeError, TypeError) as error:  # of torch, on a state of another size or type
            raise archive.damaged(error) from error
    device = start.velocities.device
    # A run of version 1 kept one step and one time for the batch, and had the degrees of its start.
    kept = {name: saved[name].expand(len(numbers)).clone().to(device) for name in ("step", "time")}
    kept["degrees"] = saved.get("degrees", state.degrees).to(device)
    state = state.replace(
        structures=state.structures.replace(positions=saved["positions"].to(device)),
        velocities=saved["velocities"].to(device),
        results={k.removeprefix("results."): v.to(device) for k, v in saved.items() if k.startswith("results.")},
        variables={k.removeprefix("variables."): v.to(device) for k, v in saved.items() if k.startswith("variables.")},
        **kept,
    )
    return state, numbers


def _shapes_of(state: State, names: Sequence[str]) -> dict[str, tuple[int | None, ...]]:
    """Shapes that a checkpoint of these trajectories must have."""
    counts = state.structures.totals
    each = (counts["structure"],) if "running" in names else ()
    shapes: dict[str, tuple[int | None, ...]] = {"positions": (counts["atom"], 3), "velocities": (counts["atom"], 3)}
    shapes |= {"step": each, "time": each}
    if "degrees" in names:
        shapes["degrees"] = each
    results = [name for name in names if name.startswith("results.")]
    shapes |= {name: (counts[axis_of(name.removeprefix("results."))],) for name in results}
    return {f"{PREFIX}{name}": shape for name, shape in shapes.items()}


def missing(archive: Archive) -> list[int]:
    """Numbers of the trajectories that are no longer in the batch after a chunk."""
    name = f"{PREFIX}running"
    return [] if name not in archive.names else (~archive[name].bool()).nonzero()[:, 0].tolist()  # version 1: all


def write_ended(path: Path, start: str, ended: Sequence[Ended]) -> None:
    """Write why, when and where trajectories ended; no file where none did.

    Args:
        path: The file.
        start: Hash of the start of the run.
        ended: The trajectories.

    Raises:
        DataError: The disk is full; the old file is as it was.
    """
    if not ended:
        path.unlink(missing_ok=True)
        return
    states = [entry.state for entry in ended]
    tensors = on_cpu(
        {
            "number": torch.tensor([entry.number for entry in ended]),
            "positions": torch.cat([state.structures.positions for state in states]),
            "velocities": torch.cat([state.velocities for state in states]),
            **{name: torch.cat([getattr(state, name) for state in states]) for name in ("degrees", "step", "time")},
        }
    )
    words = [{name: getattr(entry, name) for name in _PLAIN} for entry in ended]
    write_atomically(path, encode({**part_header(start, path), "ended": words}, tensors))


def load_ended(path: Path, header: Mapping[str, Any], start: State) -> tuple[Ended, ...]:
    """The trajectories that have ended; none where the file is missing.

    Args:
        path: The file.
        header: Header of the trajectory.
        start: The state that the run began with.

    Raises:
        DataError: The file is damaged.
    """
    if not path.exists():
        return ()
    archive = open_part(path, header)
    words = archive.header.get("ended")
    if not isinstance(words, list):
        raise archive.damaged("it holds no reasons")
    check_shapes(archive, {"number": (len(words),)})
    numbers = archive["number"]
    if not all(_is_entry(entry, len(start.structures)) for entry in words) or numbers.tolist() != [
        entry["number"] for entry in words
    ]:
        raise archive.damaged("reasons and trajectories do not belong together")
    states = start.select(numbers.to(start.velocities.device)).replace(results={}, variables={})
    atoms, each = len(states.masses), (len(words),)
    shapes = {"positions": (atoms, 3), "velocities": (atoms, 3), "degrees": each, "step": each, "time": each}
    check_shapes(archive, shapes)
    saved = {name: archive[name].to(start.velocities.device) for name in shapes}
    states = states.replace(
        structures=states.structures.replace(positions=saved["positions"]),
        **{name: saved[name] for name in ("velocities", "degrees", "step", "time")},
    )
    return tuple(Ended(**entry, state=states.select([row])) for row, entry in enumerate(words))


def _is_entry(entry: object, count: int) -> bool:
    """Whether this is what a trajectory says of its end, among so many."""
    if not isinstance(entry, dict) or entry.keys() != set(_PLAIN):
        return False
    kinds: dict[str, Any] = {"number": int, "fault": bool, "step": int, "time": (int, float)}
    return all(isinstance(entry[name], kinds.get(name, str)) for name in _PLAIN) and 0 <= entry["number"] < count
