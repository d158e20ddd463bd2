"""The run loop reports drift and temperature, stops where nothing is meant any more, and resumes."""

from __future__ import annotations

import pytest
import torch
from ase import Atoms

from atnn.dynamics import Langevin, State, Trajectory, VelocityVerlet, closer_than, maxwell_boltzmann, run
from atnn.errors import AtnnWarning, DataError, DynamicsError
from atnn.structures import Structures
from dynamics.analytic import Morse, diatomics
from systems import methane


def moving(count: int = 3, temperature: float = 300.0) -> State:
    structures = diatomics(count)
    return State.start(structures, maxwell_boltzmann(structures, temperature, torch.Generator().manual_seed(0)))


class Failing(Morse):
    """Gives NaN forces on one atom from a given call on."""

    def __init__(self, call: int, atom: int):
        super().__init__()
        self.call, self.atom = call, atom

    def __call__(self, structures, outputs):
        results = super().__call__(structures, outputs)
        if self.calls >= self.call:
            results["forces"][self.atom, 1] = float("nan")
        return results


class Forgetful(Morse):
    """Counts how often its neighbor list is dropped."""

    forgotten = 0

    def forget(self):
        self.forgotten += 1


def test_report_has_frames_drift_and_temperature():
    report = run(moving(), Morse(), VelocityVerlet(0.2), 200, every=5)
    assert report.series["times"].tolist() == pytest.approx([float(n) for n in range(41)])
    assert report.series["dipole"].shape == (41, 3, 3)
    assert report.drift.shape == (3,)
    assert 0 < report.drift_mean <= report.drift_worst < 5e-3
    total = report.series["potential"] + report.series["kinetic"]
    assert float((total - total[0]).abs().max()) < 1e-3
    assert "meV/atom/ps" in str(report)
    assert report.temperature == pytest.approx(float(report.temperatures.mean()))


def test_drift_is_the_slope_of_the_energy_per_atom():
    report = run(moving(2), Morse(), VelocityVerlet(0.2), 10)
    times = report.series["times"]
    report.series["kinetic"] = torch.stack([0.002 * times, -0.004 * times], dim=1)
    report.series["potential"] = torch.zeros_like(report.series["kinetic"])
    assert report.drift.tolist() == pytest.approx([1.0, -2.0])  # eV/ps over two atoms
    assert (report.drift_mean, report.drift_worst) == pytest.approx((1.5, 2.0))


def test_dipole_is_computed_only_for_frames():
    asked = []

    class Watched(Morse):
        def __call__(self, structures, outputs):
            asked.append("dipole" in outputs)
            return super().__call__(structures, outputs)

    run(moving(), Watched(), VelocityVerlet(0.2), 8, every=4)
    assert asked == [True, False, False, False, True, False, False, False, True]


def test_nan_in_all_trajectories_raises_and_names_structure_atom_and_time(tmp_path):
    with pytest.raises(DynamicsError, match=r"structure 0 \(CO\), atom 1 \(O\), 2 fs \(step 4\)"):
        run(moving(1), Failing(5, 1), VelocityVerlet(0.5), 100, trajectory=tmp_path / "a.traj")
    trajectory = Trajectory(tmp_path / "a.traj")
    assert trajectory.times.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert bool(torch.isfinite(trajectory.read("positions")).all())
    with pytest.raises(DynamicsError, match=r"atom 1 \(O\), 0 fs \(step 0\)"):
        run(moving(1), Failing(1, 1), VelocityVerlet(0.5), 100, trajectory=tmp_path / "b.traj")
    assert len(Trajectory(tmp_path / "b.traj")) == 0


def test_energy_jump_names_the_atom_and_what_to_do(tmp_path):
    structures = diatomics(1)
    velocities = torch.zeros_like(structures.positions)
    velocities[1, 2] = 0.5
    with pytest.raises(DynamicsError, match=r"total energy jumped by .* eV/atom[\s\S]*smaller timestep") as error:
        run(State.start(structures, velocities), Morse(), VelocityVerlet(12.0), 100, trajectory=tmp_path / "a.traj")
    assert "structure 0 (CO), atom" in error.value.where
    assert len(Trajectory(tmp_path / "a.traj")) > 0


def test_the_folder_of_a_run_has_a_log(tmp_path):
    run(moving(), Morse(), VelocityVerlet(0.3), 10, trajectory=tmp_path / "a.traj")
    text = (tmp_path / "a.traj" / "log.txt").read_text(encoding="utf-8")
    assert "dynamics of 3 structures begins at step 0 of 10" in text and "ends at step 10 of 10" in text


def test_a_run_that_ends_at_the_start_says_why_and_has_a_log(tmp_path):
    with pytest.raises(DynamicsError, match="NaN"):
        run(moving(1), Failing(1, 0), VelocityVerlet(0.3), 10, trajectory=tmp_path / "none" / "a.traj")
    assert "ends at step 0 of 10" in (tmp_path / "none" / "a.traj" / "log.txt").read_text(encoding="utf-8")


def test_too_close_atoms_are_named(tmp_path):
    structures = Structures.from_ase([methane(), Atoms("HHe", positions=[[0, 0, 0], [0, 0, 3.0]])])
    velocities = torch.zeros_like(structures.positions)
    velocities[-1, 2] = -0.1
    state = State.start(structures, velocities)
    faults = [closer_than({(1, 2): 1.02}, every=1)]
    with pytest.warns(AtnnWarning, match=r"1 of 2 trajectories ended by a fault"):
        report = run(state, Morse(depth=1e-6), VelocityVerlet(0.5), 100, faults=faults)
    assert report.numbers.tolist() == [0]
    assert report.ended[0].what == "atoms 0 (H) and 1 (He) are 1.000 Angstrom apart, closer than 1.020"
    assert report.ended[0].where == "structure 1 (HHe), atom 0 (H), 20 fs (step 40)"
    alone, folder = state.select([1]), tmp_path / "a.traj"
    with pytest.raises(DynamicsError, match="closer than"):
        run(alone, Morse(depth=1e-6), VelocityVerlet(0.5), 100, faults=[closer_than(1.05)], trajectory=folder)
    assert len(Trajectory(folder)) > 30


@pytest.mark.parametrize("integrator", [VelocityVerlet(0.3), Langevin(0.3, 300.0, 0.02)], ids=["nve", "nvt"])
@pytest.mark.parametrize(("first", "chunk"), [(20, 5), (47, 10), (3, 100)])
def test_interrupted_run_continues_bit_by_bit(tmp_path, integrator, first, chunk):
    def go(folder, potential):
        generator = torch.Generator().manual_seed(7)
        return run(
            moving(), potential, integrator, 120, trajectory=folder, every=2, generator=generator, chunk=chunk
        ), generator

    class Stopped(Morse):
        def __call__(self, structures, outputs):
            if self.calls == first:
                raise KeyboardInterrupt
            return super().__call__(structures, outputs)

    whole, generator = go(tmp_path / "whole", Morse())
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "parts", Stopped())
    parts, resumed_generator = go(tmp_path / "parts", Morse())
    assert torch.equal(parts.state.structures.positions, whole.state.structures.positions)
    assert torch.equal(parts.state.velocities, whole.state.velocities)
    assert torch.equal(generator.get_state(), resumed_generator.get_state())
    for name, values in whole.series.items():
        assert torch.equal(values, parts.series[name])
    assert torch.equal(
        Trajectory(tmp_path / "parts").read("positions"), Trajectory(tmp_path / "whole").read("positions")
    )
    assert parts.drift.tolist() == whole.drift.tolist()


def test_finished_run_is_not_run_again_and_can_be_prolonged(tmp_path):
    def go(steps):
        return run(moving(), Morse(), VelocityVerlet(0.3), steps, trajectory=tmp_path / "a", every=3, chunk=4)

    first, again = go(50), go(50)
    assert again.steps == 2  # the steps after the last frame
    assert torch.equal(first.state.structures.positions, again.state.structures.positions)
    assert go(48).steps == 0
    longer = go(80)
    direct = run(moving(), Morse(), VelocityVerlet(0.3), 80, every=3)
    assert torch.equal(longer.series["dipole"], direct.series["dipole"])


def test_trajectory_of_another_run_is_not_touched(tmp_path):
    run(moving(), Morse(), VelocityVerlet(0.3), 10, trajectory=tmp_path / "a")
    with pytest.raises(DataError, match=r"another run \(different integrator\)"):
        run(moving(), Morse(), VelocityVerlet(0.4), 10, trajectory=tmp_path / "a")
    with pytest.raises(DataError, match=r"another run \(different start\)"):
        run(moving(temperature=301.0), Morse(), VelocityVerlet(0.3), 10, trajectory=tmp_path / "a")
    assert len(Trajectory(tmp_path / "a")) == 11


def test_neighbor_lists_are_dropped_at_every_checkpoint(tmp_path):
    potential = Forgetful()
    run(moving(), potential, VelocityVerlet(0.3), 19, trajectory=tmp_path / "a", chunk=5)
    assert potential.forgotten == 4


def test_single_precision_potential_drives_double_precision_state():
    class Rounded(Morse):
        def __call__(self, structures, outputs):
            results = super().__call__(structures.to(dtype=torch.float32), outputs)
            return {k: v if k == "energy" else v.float() for k, v in results.items()}

    report = run(moving(), Rounded(), VelocityVerlet(0.2), 50)
    assert report.state.structures.positions.dtype == torch.float64
    assert report.state.results["forces"].dtype == torch.float64


def test_timestep_beyond_the_stability_limit_is_refused_and_a_coarse_one_warned_of():
    with pytest.raises(DynamicsError, match=r"period of .* fs: beyond .* fs the motion is unstable"):
        run(moving(), Morse(), Langevin(20.0, 300.0, 0.01), 101, generator=torch.Generator())
    with pytest.warns(AtnnWarning, match="has a period of"):
        run(moving(), Morse(), VelocityVerlet(4.0), 101)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), 1e6])
def test_temperatures_that_are_none_are_refused(wrong):
    with pytest.raises(DynamicsError, match="the temperature is"):
        Langevin(0.5, wrong, 0.01)
    with pytest.raises(DynamicsError, match="the temperature is"):
        maxwell_boltzmann(diatomics(1), wrong, torch.Generator())


def test_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(DataError, match="is a file, not a folder"):
        run(moving(), Morse(), VelocityVerlet(0.3), 2, trajectory=tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.6, 0.6, 0.53)])
def test_an_atom_that_moves_too_far_in_a_step_ends_its_trajectory_only(direction):
    from atnn.dynamics.stopping import too_far

    structures = Structures.from_ase([methane()] * 3)
    velocities = torch.zeros_like(structures.positions)
    velocities[7] = torch.tensor(direction, dtype=torch.float64) / torch.tensor(direction).norm() * 2.1
    state = State.start(structures, velocities)
    assert too_far(0.5).condition(state).tolist() == [False, True, False]
    assert not too_far(0.45).condition(state).any()
