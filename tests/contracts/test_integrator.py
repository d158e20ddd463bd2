"""What every integrator of the registry owes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.dynamics import INTEGRATORS, Integrator, State, maxwell_boltzmann, run
from atnn.structures import Structures
from atnn.units import boltzmann
from dynamics.analytic import Morse, Wells, diatomics, single_atoms
from systems import ethanol, methane

QUIET = {"verlet": {}, "langevin": {"temperature": 0.0, "friction": 0.02}}  # without noise
BATH = {"langevin": {"temperature": 300.0, "friction": 0.05}}  # of those with a bath


def quiet(name: str, timestep: float = 0.3) -> Integrator:
    return INTEGRATORS[name](timestep, **QUIET[name])


def noisy(name: str, timestep: float = 0.3) -> Integrator:
    return INTEGRATORS[name](timestep, **BATH.get(name, QUIET[name]))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def molecules(frames: list[Atoms], temperature: float = 300.0) -> State:
    structures = Structures.from_ase(frames)
    return State.start(structures, maxwell_boltzmann(structures, temperature, generator()))


def bonds() -> State:
    structures = diatomics(6, "NO", 1.1)
    return State.start(structures, maxwell_boltzmann(structures, 600.0, generator()))


def advance(state: State, integrator: Integrator, steps: int, potential=None, seed: int = 0) -> State:
    potential, source = potential or Morse(depth=0.5, length=2.0), generator(seed)
    if not state.results:
        state = integrator.init(state, potential)
    for _ in range(steps):
        state = integrator.step(state, potential, source)
    return state


def close(first: State, second: State) -> None:
    for name in ("velocities", "masses", "degrees", "step", "time", "total_energy"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), atol=1e-11, rtol=0)
    torch.testing.assert_close(first.structures.positions, second.structures.positions, atol=1e-11, rtol=0)
    torch.testing.assert_close(first.results["forces"], second.results["forces"], atol=1e-9, rtol=0)


def test_every_integrator_is_under_contract():
    assert QUIET.keys() == INTEGRATORS.keys(), "add settings without noise to QUIET"
    with_bath = {name for name, kind in INTEGRATORS.items() if "temperature" in {f.name for f in fields(kind)}}
    assert with_bath == BATH.keys(), "add a bath of 300 K to BATH"


@pytest.fixture(params=list(INTEGRATORS))
def name(request) -> str:
    return request.param


def test_error_falls_with_the_square_of_the_timestep(name):
    def final(timestep):
        state = advance(bonds(), quiet(name, timestep), round(16 / timestep), Morse())
        return torch.cat([state.structures.positions, 10 * state.velocities])

    exact, timesteps = final(0.02), [0.8, 0.4, 0.2]
    errors = [float((final(h) - exact).abs().max()) for h in timesteps]
    assert np.polyfit(np.log(timesteps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.15)


def test_reversed_velocities_lead_back_where_energy_is_conserved(name):
    integrator, start = quiet(name), bonds()
    there = advance(start, integrator, 200, Morse())
    back = advance(there.replace(velocities=-there.velocities), integrator, 200, Morse())
    distance = float((back.structures.positions - start.structures.positions).abs().max())
    assert (distance < 1e-9) == integrator.conserves_energy


def test_energy_is_constant_where_it_should_be(name):
    start = noisy(name).init(bonds(), Morse())
    end = advance(start, noisy(name), 400, Morse())
    change = (end.total_energy - start.total_energy).abs().max()
    assert (float(change) < 2e-3) == noisy(name).conserves_energy


@pytest.mark.parametrize("name", list(BATH))
def test_oscillators_have_the_temperature_of_the_bath(name):
    potential, integrator, source = Wells(5.0), noisy(name, 1.0), generator(1)
    structures = single_atoms(400)
    start = State.start(structures, maxwell_boltzmann(structures, 300.0, generator(2), remove_drift=False))
    settled = run(start, potential, integrator, 150, every=150, generator=source).state
    squares, state = [], settled
    report = run(settled, potential, integrator, 500, every=5, generator=source)
    for _ in range(500):
        state = integrator.step(state, potential, source)
        squares.append(float(state.structures.positions.square().mean()))
    assert report.temperature == pytest.approx(300.0, rel=0.02)
    assert np.mean(squares) == pytest.approx(boltzmann * 300.0 / 5.0, rel=0.03)


def test_batch_of_different_molecules_moves_as_each_alone(name):
    start = molecules([ethanol(), methane(), ethanol()])
    together = advance(start, quiet(name), 30)
    for index in range(3):
        close(together.select([index]), advance(start.select([index]), quiet(name), 30))


def test_selecting_and_joining_on_the_way_changes_nothing(name):
    start = molecules([ethanol(), methane(), methane(), ethanol()])
    whole = advance(start, quiet(name), 20)
    half = advance(start, quiet(name), 10)
    mask = torch.tensor([True, False, False, True])
    parts = [advance(half.select(chosen), quiet(name), 10) for chosen in (mask, ~mask)]
    close(State.join(parts), whole.select([0, 3, 1, 2]))
    close(advance(State.join([half.select(mask), half.select(~mask)]), quiet(name), 10), whole.select([0, 3, 1, 2]))


def test_every_structure_has_its_own_clock(name):
    early = molecules([methane()])
    late = advance(molecules([ethanol()]), quiet(name), 7)
    late = late.replace(results={})
    after = advance(State.join([early, late]), quiet(name), 5)
    assert after.step.tolist() == [5, 12]
    assert after.time.tolist() == pytest.approx([5 * 0.3, 12 * 0.3])


def test_state_before_a_step_stays_as_it_is(name):
    state = advance(molecules([ethanol()]), noisy(name), 1)
    kept = [value.clone() for value in (state.structures.positions, state.velocities, state.time, state.step)]
    forces = state.results["forces"].clone()
    advance(state, noisy(name), 1)
    assert all(torch.equal(a, b) for a, b in zip(
        kept, (state.structures.positions, state.velocities, state.time, state.step), strict=True))  # fmt: skip
    assert torch.equal(state.results["forces"], forces)


def test_only_what_is_needed_is_asked_for_between_frames(name):
    asked = []

    class Watched(Morse):
        def __call__(self, structures, outputs):
            asked.append(set(outputs))
            return super().__call__(structures, outputs)

    integrator = noisy(name)
    run(bonds(), Watched(), integrator, 4, every=4, generator=generator(), outputs=["charges"])
    assert {frozenset(names) for names in asked[1:-1]} == {integrator.needs}
    assert asked[0] == asked[-1] == integrator.needs | {"energy", "charges"}


def test_resumed_run_is_the_undisturbed_one(name, tmp_path):
    def go(folder, steps):
        options = {"trajectory": tmp_path / folder, "every": 2, "chunk": 4, "generator": generator(3)}
        return run(bonds(), Morse(), noisy(name), steps, **options)

    whole = go("whole", 60)
    go("parts", 23)
    parts = go("parts", 60)
    assert parts.steps < 60
    assert torch.equal(parts.state.structures.positions, whole.state.structures.positions)
    assert torch.equal(parts.state.velocities, whole.state.velocities)
    assert torch.equal(parts.state.degrees, whole.state.degrees)
    assert all(torch.equal(parts.series[key], values) for key, values in whole.series.items())


def test_same_seed_gives_the_same_motion(name):
    first, second, other = (advance(bonds(), noisy(name), 20, Morse(), seed).structures.positions for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert torch.equal(first, other) == (name not in BATH)


def test_fixed_atoms_stay_in_place(name):
    structures = Structures.from_ase([ethanol(), methane()])
    fixed = structures.numbers == 6
    end = advance(State.start(structures, fixed=fixed), noisy(name), 10)
    assert torch.equal(end.structures.positions[fixed], structures.positions[fixed])
    assert bool((end.structures.positions[~fixed] != structures.positions[~fixed]).any(1).all())


def test_integrator_follows_the_protocol(name):
    assert isinstance(noisy(name), Integrator)
    assert noisy(name).needs == {"energy", "forces"} and noisy(name).timestep == 0.3
