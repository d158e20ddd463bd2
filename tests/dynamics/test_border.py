"""What a simulation is asked for is looked at where it comes in; cases that the fuzzer found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from atnn.dynamics import State
from atnn.dynamics.border import check_friction, check_outputs, check_temperature, check_timestep
from atnn.errors import DynamicsError
from dynamics.analytic import diatomics

REFUSED = (DynamicsError, TypeCheckError)  # the second where this pytest call checks types, and types are wrong
NO_NUMBERS = ["x", "", {}, [None], [1.0], True, 2**70, 10**400, float("nan"), -1.0]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("check", [check_timestep, check_temperature])
def test_what_is_no_number_is_refused(check, value):
    with pytest.raises(REFUSED):
        check(value, "here")


def test_numbers_of_numpy_and_torch_are_numbers():
    for value in (300.0, np.float64(300), torch.tensor([300.0, 200.0])):
        check_temperature(value, "here")
        check_friction(value, "here")
    check_timestep(np.float64(0.5), "here")


@pytest.mark.parametrize("outputs", ["dipole", 3, [1], [None]])
def test_outputs_are_names(outputs):
    with pytest.raises(REFUSED):
        check_outputs(outputs, "here")


@pytest.mark.parametrize(
    "given",
    [
        {"velocities": torch.zeros(2, 3)},
        {"velocities": torch.full((4, 3), torch.nan)},
        {"masses": torch.ones(())},
        {"masses": torch.tensor([1.0, 1.0, 1.0, torch.nan])},
        {"masses": torch.tensor([1.0, 1.0, 1.0, 0.0])},
        {"fixed": torch.zeros(3, dtype=torch.bool)},
    ],
)
def test_velocities_masses_and_fixed_atoms_are_those_of_every_atom(given):
    with pytest.raises(REFUSED):
        State.start(diatomics(2), **given)
