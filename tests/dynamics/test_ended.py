"""A condition ends its own trajectory; the others go on as if it had never been there."""

from __future__ import annotations

import pytest
import torch

from atnn.dynamics import (
    Explanation,
    Fault,
    Langevin,
    RunReport,
    State,
    Trajectory,
    VelocityVerlet,
    export_trajectory,
    maxwell_boltzmann,
    run,
)
from atnn.errors import AtnnWarning, DataError, DynamicsError
from atnn.model import Model, ModelPotential, ModelSpecification
from atnn.structures import Structures
from dynamics.analytic import Wells, diatomics, single_atoms
from dynamics.broken_on_purpose import BROKEN, CLOSE, FAULTS, INTEGRATOR, JUMPING, NAN, batch
from systems import methane

STEPS, EVERY = 60, 4


def with_broken(**options) -> RunReport:
    state, potential = batch()
    with pytest.warns(AtnnWarning, match="3 of 100 trajectories ended by a fault"):
        return run(state, potential, INTEGRATOR, STEPS, every=EVERY, faults=FAULTS, **options)


def without_broken(**options) -> RunReport:
    state, potential = batch()
    whole = [number for number in range(100) if number not in BROKEN]
    return run(state.select(whole), potential, INTEGRATOR, STEPS, every=EVERY, faults=FAULTS, **options)


def same(first: State, second: State) -> bool:
    pairs = [
        (getattr(first, name), getattr(second, name)) for name in ("velocities", "masses", "degrees", "step", "time")
    ]
    pairs += [(first.structures.positions, second.structures.positions)]
    pairs += [(first.results[name], second.results[name]) for name in first.results.keys() | second.results.keys()]
    return all(torch.equal(a, b) for a, b in pairs)


def test_97_of_100_are_in_every_bit_what_they_are_alone(tmp_path):
    outputs = ("dipole", "charges", "forces")
    together = with_broken(trajectory=tmp_path / "together", outputs=outputs, chunk=5)
    alone = without_broken(trajectory=tmp_path / "alone", outputs=outputs, chunk=5)
    assert len(together.numbers) == 97
    assert sorted(entry.number for entry in together.ended) == list(BROKEN)
    assert same(together.state, alone.state)
    assert torch.equal(together.drift, alone.drift) and torch.equal(together.temperatures, alone.temperatures)
    first, second = Trajectory(tmp_path / "together"), Trajectory(tmp_path / "alone")
    assert first.whole.nonzero()[:, 0].tolist() == together.numbers.tolist()
    assert set(first.quantities) == {*outputs, "positions", "velocities", "potential", "kinetic", "times"}
    for name in first.quantities:
        assert torch.equal(first.read(name, structures=first.whole), second.read(name)), name
    for name, values in alone.series.items():
        assert torch.equal(values, together.series[name] if name == "times" else together.series[name][:, first.whole])
    assert same(with_broken(outputs=outputs).state, alone.state)  # in memory alone


def test_ended_trajectories_are_accounted_for(tmp_path):
    report = with_broken(trajectory=tmp_path / "a", chunk=5)
    reasons = {entry.number: entry.reason for entry in report.ended}
    assert reasons == {NAN: "not finite", JUMPING: "energy jump", CLOSE: "atoms too close"}
    assert "3 of them ended before: 1 by 'energy jump', 1 by 'not finite', 1 by 'atoms too close'" in str(report)
    trajectory = Trajectory(tmp_path / "a")
    for entry, stored in zip(report.ended, trajectory.ended, strict=True):
        assert entry.fault and same(entry.state, stored.state)
        assert f"structure {entry.number} " in entry.where and entry.remedy
        assert bool(torch.isfinite(entry.state.structures.positions).all())
        plain = ("number", "reason", "fault", "step", "time", "what", "where", "remedy")
        assert all(getattr(entry, name) == getattr(stored, name) for name in plain)
        assert entry.time == 0.5 * entry.step == float(entry.state.time) + 0.5 * (entry.number == NAN)


def test_frames_say_which_trajectories_they_hold(tmp_path):
    report = with_broken(trajectory=tmp_path / "a", chunk=5)
    trajectory = Trajectory(tmp_path / "a")
    positions = trajectory.read("positions").reshape(len(trajectory), 100, 6)
    for entry in trajectory.ended:
        length = int(trajectory.lengths[entry.number])
        assert length == sum(1 for step in range(0, STEPS + 1, EVERY) if step < entry.step)
        for values in (positions[:, entry.number], trajectory.dipoles[:, entry.number]):
            assert torch.isfinite(values).all(1).tolist() == [n < length for n in range(len(trajectory))]
        frames = list(trajectory.frames(entry.number))
        assert len(frames) == length and all(abs(frame.positions).max() < 100 for frame in frames)
    assert trajectory.lengths[report.numbers].tolist() == [len(trajectory)] * 97
    assert len(trajectory.structures(0)) == 100
    assert torch.equal(trajectory.structures(-1).positions, report.state.structures.positions.float())
    assert export_trajectory(trajectory, tmp_path / "a.xyz", every=2, structures=[0, NAN]) == 8 + 2


def test_model_gives_the_others_what_they_have_alone():
    specification = {"elements": (1, 6, 8), "representation": {"name": "eann", "cutoff": 4.0}, "outputs": ("energy",)}
    model = Model(ModelSpecification.model_validate(specification), seed=1)
    structures = Structures.from_ase([methane()] * 10)
    start = State.start(structures, maxwell_boltzmann(structures, 300.0, torch.Generator().manual_seed(0)))
    far = Fault(
        "third", lambda state: state.structures.positions[::5, 0] > 5, lambda state: Explanation("", ""), every=3
    )
    moved = start.structures.positions.clone()
    moved[20:25, 0] += 6.0
    start = start.replace(structures=structures.replace(positions=moved))

    def go(state):
        potential = ModelPotential(model, dtype=torch.float64, skin=0.3)
        return run(state, potential, VelocityVerlet(0.25), 40, every=10, faults=[far])

    with pytest.warns(AtnnWarning, match="1 of 10 trajectories"):
        together = go(start)
    alone = go(start.select([n for n in range(10) if n != 4]))
    torch.testing.assert_close(
        together.state.structures.positions, alone.state.structures.positions, atol=1e-11, rtol=0
    )
    torch.testing.assert_close(together.drift, alone.drift, atol=1e-9, rtol=0)


def beyond(distance: float):
    """Whether the first atom of each structure has gone so far up."""
    return lambda state: (
        state.structures.positions[state.structures.batch.diff(prepend=torch.tensor([-1])) > 0, 2] > distance
    )


def flying(count: int = 4) -> State:
    """Atoms without forces; number n flies up at n / 100 Angstrom/fs."""
    velocities = torch.zeros((count, 3), dtype=torch.float64)
    velocities[:, 2] = torch.arange(count) / 100
    return State.start(single_atoms(count), velocities)


def test_wanted_end_is_no_fault_and_no_warning(tmp_path):
    stops = {"desorbed": beyond(1.0)}
    report = run(flying(), Wells(0.0), VelocityVerlet(1.0), 60, stops=stops, every=7, trajectory=tmp_path / "a")
    assert [(e.number, e.reason, e.fault, e.step, e.time) for e in report.ended] == [
        (3, "desorbed", False, 34, 34.0),
        (2, "desorbed", False, 51, 51.0),
    ]
    assert float(report.ended[0].state.structures.positions[0, 2]) == pytest.approx(1.02)
    assert report.numbers.tolist() == [0, 1]
    assert Trajectory(tmp_path / "a").lengths.tolist() == [9, 9, 8, 5]
    assert Trajectory(tmp_path / "a").header["stops"] == ["desorbed"]
    assert report.state.step.tolist() == [60, 60] and report.atom_steps == 60 * 2 + 51 + 34


def test_run_whose_trajectories_all_came_where_they_should_reports(tmp_path):
    def go():
        moving = flying().select([3, 2])
        return run(moving, Wells(0.0), VelocityVerlet(1.0), 100, stops={"gone": beyond(1.0)}, trajectory=tmp_path / "a")

    report = go()
    assert len(report.numbers) == 0 and report.steps == 51
    assert "2 trajectories to 0.051 ps, 51 frames; 2 of them ended before: 2 by 'gone'" in str(report)
    assert not bool(Trajectory(tmp_path / "a").whole.any())
    assert [entry.step for entry in go().ended] == [34, 51]  # called again


def test_without_survivors_a_fault_beside_a_wanted_end_is_a_warning():
    broken = Fault("slow", beyond(0.3), lambda state: Explanation("too slow", "push"), every=1)
    with pytest.warns(AtnnWarning, match=r"1 of 2 trajectories ended by a fault \(1 by 'slow'\)[\s\S]*too slow"):
        report = run(
            flying().select([1, 3]), Wells(0.0), VelocityVerlet(10.0), 100, faults=[broken],
            stops={"fast": lambda state: state.velocities[:, 2] > 0.025},
        )  # fmt: skip
    assert {entry.number: entry.fault for entry in report.ended} == {0: True, 1: False}


@pytest.mark.parametrize("first", [9, 22, 41, 57])
def test_interrupted_run_with_ended_trajectories_continues_bit_by_bit(tmp_path, first):
    whole = with_broken(trajectory=tmp_path / "whole", chunk=3)
    state, potential = batch()
    seen = []

    def interrupted(state):
        seen.append(0)
        if len(seen) == first:
            raise KeyboardInterrupt
        return torch.zeros_like(state.step, dtype=torch.bool)

    options = {"every": EVERY, "faults": FAULTS, "trajectory": tmp_path / "parts", "chunk": 3}
    never = {"never": lambda state: torch.zeros_like(state.step, dtype=torch.bool)}
    whole_with_stop = dict(options, trajectory=tmp_path / "stopped", stops=never)
    with pytest.raises(KeyboardInterrupt):
        run(state, potential, INTEGRATOR, STEPS, stops={"never": interrupted}, **options)
    half = Trajectory(tmp_path / "parts")
    gone = torch.isnan(half.read("kinetic")).any(0)
    assert not bool((gone & half.whole).any())  # nothing is missing without a reason
    with pytest.warns(AtnnWarning):
        parts = run(state, potential, INTEGRATOR, STEPS, stops=never, **options)
        run(state, potential, INTEGRATOR, STEPS, **whole_with_stop)
    assert same(parts.state, whole.state)
    assert [e.number for e in parts.ended] == [e.number for e in whole.ended]
    assert all(same(a.state, b.state) for a, b in zip(parts.ended, whole.ended, strict=True))
    for name in ("chunk-000001", "chunk-000005", "ended"):
        contents = [(tmp_path / n / f"{name}.safetensors").read_bytes() for n in ("parts", "stopped")]
        assert contents[0] == contents[1], name
    assert Trajectory(tmp_path / "parts").hash == Trajectory(tmp_path / "stopped").hash


def test_missing_list_of_ended_trajectories_is_noticed(tmp_path):
    with_broken(trajectory=tmp_path / "a", chunk=3)
    (tmp_path / "a" / "ended.safetensors").unlink()
    with pytest.raises(DataError, match=r"does not say why the trajectories \[7, 42, 99\] have ended"):
        _ = Trajectory(tmp_path / "a").whole
    with pytest.raises(DataError, match="does not say why"):
        run(*batch(), INTEGRATOR, STEPS, every=EVERY, faults=FAULTS, trajectory=tmp_path / "a", chunk=3)


def test_nan_at_the_start_ends_only_its_trajectory(tmp_path):
    state, potential = batch()
    positions = state.structures.positions.clone()
    positions[2 * NAN, 1] = 0.4
    state = state.replace(structures=state.structures.replace(positions=positions))
    with pytest.warns(AtnnWarning, match=r"structure 7 \(NeO\), atom 0 \(Ne\), 0 fs"):
        report = run(state.select(range(10)), potential, INTEGRATOR, 8, trajectory=tmp_path / "a")
    assert len(report.numbers) == 9
    assert Trajectory(tmp_path / "a").lengths.tolist() == [9] * 7 + [0] + [9] * 2


def test_baths_of_structures_follow_them():
    state = State.start(diatomics(40))
    temperatures = torch.tensor([100.0, 900.0] * 20, dtype=torch.float64)
    cold = {"every second": lambda state: (state.step > 3) & (state.variables["bath_temperature"][::2] < 500)}
    integrator = Langevin(1.0, temperatures, 0.5)
    report = run(state, Wells(1.0), integrator, 400, generator=torch.Generator().manual_seed(0), stops=cold)
    assert report.numbers.tolist() == list(range(1, 40, 2))
    assert report.temperature == pytest.approx(900.0, rel=0.05)


def test_condition_of_another_shape_is_refused():
    for wrong in (torch.tensor(True), torch.ones(4)):
        with pytest.raises(DynamicsError, match=r"condition 'mine'[\s\S]*one True or False for each structure"):
            run(flying(), Wells(0.0), VelocityVerlet(1.0), 2, stops={"mine": lambda state, wrong=wrong: wrong})
