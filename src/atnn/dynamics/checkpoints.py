"""States in full precision: after a chunk of frames, and where a trajectory ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors.torch import save
from torch import Tensor

from atnn.dynamics.ended import Ended
from atnn.dynamics.layout import damaged, on_cpu, opened
from atnn.dynamics.state import State
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
    path: Path, start: State, generator: torch.Generator | None
) -> tuple[State, Int[Tensor, " running"]]:
    """The state after a chunk and the numbers of its trajectories; the generator is set to what it was then.

    Args:
        path: File of the chunk.
        start: The state that the run began with.
        generator: The generator to set, if the run used one.

    Raises:
        DataError: The chunk is missing or damaged.
    """
    with opened(path) as file:
        names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
        saved = {name.removeprefix(PREFIX): file.get_tensor(name) for name in names}
    if generator is not None and "generator" in saved:
        generator.set_state(saved["generator"])
    device = start.velocities.device
    running = saved.get("running", torch.ones(len(start.structures), dtype=torch.bool))
    numbers = running.nonzero()[:, 0]
    # A run of version 1 kept one step and one time for the batch, and had the degrees of its start.
    kept = {name: saved[name].expand(len(numbers)).clone().to(device) for name in ("step", "time")}
    kept["degrees"] = saved.get("degrees", start.degrees).to(device)
    state = start if bool(running.all()) else start.select(numbers)
    state = state.replace(
        structures=state.structures.replace(positions=saved["positions"].to(device)),
        velocities=saved["velocities"].to(device),
        results={k.removeprefix("results."): v.to(device) for k, v in saved.items() if k.startswith("results.")},
        variables={k.removeprefix("variables."): v.to(device) for k, v in saved.items() if k.startswith("variables.")},
        **kept,
    )
    return state, numbers


def missing(chunk: Path) -> list[int]:
    """Numbers of the trajectories that are no longer in the batch after a chunk."""
    with opened(chunk) as file:
        if f"{PREFIX}running" not in set(file.keys()):  # version 1
            return []
        return (~file.get_tensor(f"{PREFIX}running")).nonzero()[:, 0].tolist()


def write_ended(path: Path, ended: Sequence[Ended]) -> None:
    """Write why, when and where trajectories ended; no file where none did.

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
    words = json.dumps([{name: getattr(entry, name) for name in _PLAIN} for entry in ended])
    write_atomically(path, save(tensors, {"ended": words}))


def load_ended(path: Path, start: State) -> tuple[Ended, ...]:
    """The trajectories that have ended; none where the file is missing.

    Args:
        path: The file.
        start: The state that the run began with.

    Raises:
        DataError: The file is damaged.
    """
    if not path.exists():
        return ()
    with opened(path) as file:
        words = json.loads((file.metadata() or {}).get("ended", "[]"))
        saved = {name: file.get_tensor(name).to(start.velocities.device) for name in file.keys()}  # noqa: SIM118
    if len(words) != len(saved["number"]):
        raise damaged(path, "not as many reasons as trajectories")
    states = start.select(saved["number"]).replace(results={}, variables={})
    states = states.replace(
        structures=states.structures.replace(positions=saved["positions"]),
        **{name: saved[name] for name in ("velocities", "degrees", "step", "time")},
    )
    return tuple(Ended(**entry, state=states.select([row])) for row, entry in enumerate(words))
