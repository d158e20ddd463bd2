"""Dynamics in fields that depend on time: exact solutions, the work of the field, resuming, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase.io import write

from atnn.dynamics import (
    ConstantField,
    InField,
    Langevin,
    OscillatingField,
    PulsedField,
    State,
    SummedField,
    Trajectory,
    VelocityVerlet,
    run,
)
from atnn.dynamics.simulate import simulate
from atnn.errors import AtnnWarning, DataError, DynamicsError
from atnn.model import Model, ModelSpecification, save_model
from atnn.model.registry import TERMS
from atnn.specification import parse
from atnn.units import acceleration
from components import InFieldSpecification
from dynamics.analytic import ChargedWells, Wells, diatomics, single_atoms
from systems import methane

WAVE = OscillatingField(amplitude=(0.0, 0.02, 0.05), period=23.0, phase=0.4)
PULSE = PulsedField(amplitude=(0.03, 0.0, -0.06), centre=12.0, width=9.0, period=15.0)


def exact(times, field: OscillatingField, constant=5.0, charge=0.7, mass=12.011):
    """Positions [times, 3] of an oscillator at rest at the origin: m r'' = -k r + q A cos(w t + phi)."""
    amplitude = np.array(field.amplitude)
    own, driven = math.sqrt(constant * acceleration / mass), 2 * math.pi / field.shortest
    scale = charge * acceleration / mass / (own**2 - driven**2)
    free = -math.cos(field.phase) * np.cos(own * times) + math.sin(field.phase) * driven / own * np.sin(own * times)
    return scale * amplitude * (np.cos(driven * times + field.phase) + free)[:, None]


def start(count: int = 1, later: float = 0.0) -> State:
    state = State.start(single_atoms(count), degrees=torch.full((count,), 3))
    return state.replace(time=state.time + later * torch.arange(count))


def error_of(timestep: float) -> tuple[float, float]:
    """Largest errors of the position and of the energy less the work, for a known motion."""
    state, potential, rule = start(), ChargedWells(), InField(VelocityVerlet(timestep), WAVE)
    state = rule.init(state, potential)
    energy = state.total_energy
    worst, drift = 0.0, 0.0
    for _ in range(round(48 / timestep)):
        state = rule.step(state, potential, None)
        expected = torch.from_numpy(exact(state.time.numpy(), WAVE))
        worst = max(worst, float((state.structures.positions - expected).abs().max()))
        change = state.total_energy - energy - state.variables["field_work"]
        drift = max(drift, float(change.abs().max()))
    return worst, drift


def test_a_driven_oscillator_moves_as_the_exact_solution_with_an_error_of_order_two():
    timesteps = [0.8, 0.4, 0.2]
    positions, energies = zip(*(error_of(h) for h in timesteps), strict=True)
    for errors in (positions, energies):
        assert np.polyfit(np.log(timesteps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.1)
    largest = np.abs(exact(np.arange(0, 48, 0.2), WAVE)).max()
    assert positions[-1] < 2e-3 * largest


def test_the_work_is_what_a_pulse_leaves_in_the_molecule():
    pulse = PulsedField(amplitude=(0.1, 0.0, -0.3), centre=100.0, width=60.0, period=99.0)  # near resonance
    report = run(start(), ChargedWells(), InField(VelocityVerlet(0.5), pulse), 500)
    total = (report.series["potential"] + report.series["kinetic"])[:, 0]
    work = report.series["field_work"][:, 0]
    assert float(work[-1]) > 0.01, "the pulse leaves energy behind"
    torch.testing.assert_close(total - total[0], work, atol=2e-3 * float(work[-1]), rtol=0)
    assert "the field did +0.0" in str(report) and "energy drift" in str(report)
    assert report.drift_worst < 1e-3 * float(work[-1]) / 0.25  # per ps


def test_a_strong_field_is_no_energy_jump():
    strong = OscillatingField(amplitude=(0.0, 0.0, 0.5), period=99.0)
    report = run(start(), ChargedWells(), InField(VelocityVerlet(0.5), strong), 800)
    total = (report.series["potential"] + report.series["kinetic"])[:, 0]
    assert float((total - total[0]).abs().max()) > 0.5 and report.ended == ()


def test_each_structure_feels_the_field_of_its_own_time():
    rule, potential = InField(VelocityVerlet(0.3), WAVE), ChargedWells()
    together = run(start(3, later=5.0), potential, rule, 20).state
    for number in range(3):
        alone = run(start(3, later=5.0).select([number]), potential, rule, 20).state
        torch.testing.assert_close(together.structures.positions[number : number + 1], alone.structures.positions)
        torch.testing.assert_close(together.variables["field_work"][number : number + 1], alone.variables["field_work"])
    torch.testing.assert_close(together.structures.field, WAVE.at(together.time))
    assert float(together.structures.positions.std(0).max()) > 1e-4


def test_frames_hold_the_field_that_acted_and_what_was_asked_for(tmp_path):
    outputs = ("dipole", "polarizability", "born_charges")
    rule = InField(VelocityVerlet(0.3), WAVE)
    run(start(2), ChargedWells(), rule, 20, trajectory=tmp_path / "a", every=4, outputs=outputs, chunk=2)
    trajectory = Trajectory(tmp_path / "a")
    expected = WAVE.at(trajectory.times)[:, None].expand(-1, 2, 3)
    torch.testing.assert_close(trajectory.read("electric_field"), expected)
    assert trajectory.read("polarizability").shape == (6, 2, 3, 3)
    assert trajectory.read("born_charges").shape == (6, 2, 3, 3)
    positions = trajectory.read("positions").double()
    torch.testing.assert_close(trajectory.dipoles, 0.7 * positions + 0.3 * expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(trajectory.structures(3).field.double(), expected[3])
    frame = list(trajectory.frames(1))[4]
    np.testing.assert_allclose(frame.info["electric_field"], expected[4, 1])
    assert frame.info["polarizability"].shape == (3, 3) and frame.info["field_work"] != 0
    header = trajectory.header
    assert header["integrator"]["name"] == "VelocityVerlet" and header["integrator"]["field"]["period"] == 23.0
    assert header["units"]["electric_field"] == "V/Angstrom" and header["units"]["field_work"] == "eV"


@pytest.mark.parametrize("integrator", [VelocityVerlet(0.3), Langevin(0.3, 300.0, 0.02)], ids=["nve", "nvt"])
def test_an_interrupted_run_goes_on_bit_by_bit(tmp_path, integrator):
    class Stopped(ChargedWells):
        def __call__(self, structures, outputs):
            if self.calls == 50:
                raise KeyboardInterrupt
            return super().__call__(structures, outputs)

    field = SummedField(fields=(WAVE, PULSE))

    def go(folder, potential):
        generator = torch.Generator().manual_seed(7)
        rule = InField(integrator, field)
        return run(start(3, 2.0), potential, rule, 90, trajectory=folder, every=2, generator=generator, chunk=5)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "stopped", Stopped())
    resumed, whole = go(tmp_path / "stopped", ChargedWells()), go(tmp_path / "whole", ChargedWells())
    assert resumed.steps < whole.steps
    finished = go(tmp_path / "whole", ChargedWells())
    assert finished.steps == 0
    for report in (resumed, finished):
        for name in ("positions", "field"):
            assert torch.equal(getattr(report.state.structures, name), getattr(whole.state.structures, name))
        assert torch.equal(report.state.velocities, whole.state.velocities)
        assert torch.equal(report.state.variables["field_work"], whole.state.variables["field_work"])
        assert all(torch.equal(value, report.series[name]) for name, value in whole.series.items())
    assert Trajectory(tmp_path / "whole").header["integrator"]["field"]["fields"][0]["period"] == 23.0
    with pytest.raises(DataError, match="another run"):
        field = WAVE
        go(tmp_path / "whole", ChargedWells())


def test_a_potential_that_ignores_the_field_is_refused_before_anything_is_written(tmp_path):
    for field in (WAVE, PULSE):
        with pytest.raises(DynamicsError, match="ignores the field"):
            run(start(), Wells(), InField(VelocityVerlet(0.3), field), 10, trajectory=tmp_path / "a")
    assert not (tmp_path / "a" / "header.json").exists()


def test_a_potential_without_a_dipole_is_refused():
    class Mute(ChargedWells):
        outputs = frozenset({"energy", "forces"})

    with pytest.raises(DynamicsError, match="does not give dipole"):
        run(start(), Mute(), InField(VelocityVerlet(0.3), WAVE), 10)


def test_two_fields_are_refused_and_a_run_goes_on_in_another_field():
    state = start()
    stated = state.replace(structures=state.structures.replace(field=torch.tensor([[0.0, 0.0, 0.1]]).double()))
    with pytest.raises(DynamicsError, match="state an electric field, and the run has one, too"):
        run(stated, ChargedWells(), InField(VelocityVerlet(0.3), WAVE), 10)
    first = run(state, ChargedWells(), InField(VelocityVerlet(0.3), WAVE), 10).state
    second = run(first, ChargedWells(), InField(VelocityVerlet(0.3), PULSE), 10)
    assert float(second.series["field_work"][0]) == 0
    torch.testing.assert_close(second.series["electric_field"][-1], PULSE.at(second.state.time))


def test_a_time_step_must_resolve_the_field():
    fast = OscillatingField(amplitude=(0, 0, 0.1), period=3.0)
    with pytest.raises(DynamicsError, match=r"changes within 3 fs, which is only 3\.0 steps"):
        run(start(), ChargedWells(), InField(VelocityVerlet(1.0), fast), 1)
    with pytest.warns(AtnnWarning, match=r"only 6\.0 steps; use a timestep of 0\.3 fs or less"):
        run(start(), ChargedWells(), InField(VelocityVerlet(0.5), fast), 1)


def test_a_constant_field_does_no_work_and_moves_the_minimum():
    rule = InField(Langevin(0.5, 0.0, 0.05), ConstantField(amplitude=(0.0, 0.0, 0.1)))
    report = run(start(), ChargedWells(), rule, 600, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(report.state.structures.positions[0, 2].item(), 0.7 * 0.1 / 5.0, atol=1e-4, rtol=0)
    assert float(report.series["field_work"].abs().max()) == 0


def test_a_field_turns_molecules_and_pulls_at_ions():
    bare = diatomics(3)
    charged = bare.replace(charge=torch.tensor([0.0, 0.0, 1.0]).double())
    field = torch.tensor([[0.0, 0, 0], [0, 0, 0.1], [0, 0, 0.1]]).double()
    assert State.start(charged).degrees.tolist() == [1, 1, 1]
    assert State.start(charged.replace(field=field)).degrees.tolist() == [1, 3, 6]


@pytest.fixture
def molecule_files(tmp_path, monkeypatch):
    """A model whose energy depends on the field, one whose energy does not, and a molecule to start from."""
    monkeypatch.setitem(TERMS, "in_field", InFieldSpecification)
    common = {"elements": (1, 6), "representation": {"name": "eann", "cutoff": 4.0}, "hidden": (4,)}
    common["outputs"] = ("energy", "charges")
    save_model(tmp_path / "field.atnn", Model(parse(ModelSpecification, {**common, "terms": ("in_field",)})))
    save_model(tmp_path / "none.atnn", Model(parse(ModelSpecification, common)))
    write(tmp_path / "start.xyz", methane())
    return tmp_path


def test_a_simulation_takes_a_field_in_any_form(molecule_files):
    files = molecule_files
    settings = {"steps": 6, "every": 2, "timestep": 0.2, "outputs": ("dipole", "polarizability")}
    wave = "{name: oscillating, amplitude: [0, 0, 0.05], period: 9.0}"
    report = simulate(files / "field.atnn", files / "start.xyz", files / "a", field=[wave, "0,0.01,0"], **settings)
    expected = torch.tensor([0.0, 0.01, 0.05 * math.cos(2 * math.pi * 1.2 / 9)])
    torch.testing.assert_close(report.series["electric_field"][-1, 0].float(), expected)
    assert report.series["polarizability"].shape == (4, 1, 3, 3)
    assert float(report.series["field_work"][-1].abs()) > 0
    simulate(files / "field.atnn", files / "start.xyz", files / "b", field=(0.0, 0.0, 0.05), **settings)
    constant = Trajectory(files / "b")
    assert "field_work" not in constant.quantities
    torch.testing.assert_close(constant.structures(-1).field.float(), torch.tensor([[0.0, 0.0, 0.05]]))
    with pytest.raises(DataError, match="another run"):
        simulate(files / "field.atnn", files / "start.xyz", files / "a", field=wave, **settings)


def test_a_pulse_on_a_model_without_a_field_is_refused_although_it_begins_at_zero(molecule_files):
    files = molecule_files
    pulse = "{name: pulsed, amplitude: [0, 0, 0.05], centre: 500, width: 20}"
    for field in (pulse, "0,0,0.05"):
        with pytest.raises(DataError, match="electric field, which the model ignores"):
            simulate(files / "none.atnn", files / "start.xyz", files / "a", field=field, steps=4)
        assert not (files / "a" / "header.json").exists()
