"""Dissociation out to 15 Angstrom of models that see 5 Angstrom: what physics terms say where networks are silent.

    OMP_NUM_THREADS=1 python -m benchmarks.science.limits [--output runs/limits] [--epochs 300]

Models (REANN, cutoff 5 Angstrom) are trained on distances well within the cutoff and on fragments 15.5 to 18 Angstrom
apart. Between, where they are tested, every energy is that of a term. Labels and what is right far away:

H2+, exact  Hartree-Fock of its one electron, aug-cc-pVTZ. Either atom has half the charge, but the halves do not repel
            each other: the electron is at one atom or the other. The energy goes to that of H, from which
            -alpha / 2 R^4 is left, 1.3 meV at 8 Angstrom. Electrostatics would be wrong by 450 meV there.
H2+, PBE    The same with PBE, whose electron repels itself: k / 4 R, Coulomb's law of half charges. Wrong for nature,
            and right for labels as most data sets have them.
NaCl        Hartree-Fock of closed shells, def2-TZVP, started from the ions: Na+ and Cl- at all distances, -k / R,
            although neutral atoms are lower from 9.4 Angstrom on. Ions also polarise each other: -8 meV at 8 Angstrom.
water       A hydrogen bond pulled apart; training on random orientations. Hartree-Fock, def2-SVP, and D4 of the program
            dftd4. Dipoles, learned from those of the pairs, and D4.

Coulomb's law has the formal charges, that of water point dipoles of the labels at the centers of mass and D4 of
dftd4. The energy at infinite distance is that of fragments 10 000 Angstrom apart. Labels and trainings stay in the
output folder; run again it goes on where it was stopped, and with all there only the table and the picture are written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from benchmarks import systems
from dftd4.interface import DampingParam, DispersionModel
from pyscf import dft, gto, scf
from scipy.linalg import block_diag
from scipy.spatial.transform import Rotation

from atnn import units
from atnn.data import Frames
from atnn.errors import LabellingError
from atnn.labelling import label
from atnn.labelling.protocol import Labels
from atnn.model import Model
from atnn.neighbors import neighbor_pairs
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, train

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CUTOFF, INFINITE = 5.0, 1e4  # Angstrom
FAR = (15.5, 18.0)
CONTACT = 1.5  # Angstrom between atoms of two molecules
TESTED = np.concatenate([np.arange(5.0, 8.0, 0.25), np.arange(8.0, 15.01, 0.5)])
PICTURE = systems.ROOT / "docs" / "images" / "limits.png"
SIZES = {"name": "reann", "cutoff": CUTOFF, "channels": 12, "rounds": 1, "densities": 60, "hidden": [32, 32]}


@dataclass(frozen=True)
class HydrogenIon:
    """H2+ in its symmetric state; from unrestricted theory without symmetry it does not converge far apart."""

    xc: str

    @property
    def settings(self) -> dict[str, str]:
        """All that the labels depend on."""
        return {"program": "pyscf, Dooh", "method": self.xc, "basis": "aug-cc-pvtz"}

    def __call__(self, structure: Structures) -> Labels:
        """Energy, forces, Mulliken charges."""
        ion = _molecule(structure, "aug-cc-pvtz", symmetry="Dooh")
        field = dft.UKS(ion, xc=self.xc) if self.xc != "hf" else scf.UHF(ion)
        field.irrep_nelec = {"A1g": (1, 0)}
        return _labels(field, None)


@dataclass(frozen=True)
class Fragments:
    """Hartree-Fock of closed shells, started from two fragments, with or without D4.

    Attributes:
        basis: Basis set.
        first: Atoms of the first fragment.
        charges: Of both fragments.
        d4: Whether to add the dispersion energy of dftd4 for Hartree-Fock.
    """

    basis: str
    first: int
    charges: tuple[int, int]
    d4: bool

    @property
    def settings(self) -> dict[str, str | int]:
        """All that the labels depend on."""
        return {"program": "pyscf, from fragments", "method": "hf", "basis": self.basis, "d4": int(self.d4)}

    def __call__(self, structure: Structures) -> Labels:
        """Energy, forces, Mulliken charges, dipole."""
        atoms = structure.to_ase()[0]
        densities = []
        for part, charge in zip((atoms[: self.first], atoms[self.first :]), self.charges, strict=True):
            part.info["charge"] = float(charge)
            densities.append(scf.RHF(_molecule(Structures.from_ase(part), self.basis)).run().make_rdm1())
        labels = _labels(scf.RHF(_molecule(structure, self.basis)).density_fit(), block_diag(*densities))
        if self.d4:
            energy, forces = dispersion(atoms)
            labels |= {"energy": labels["energy"] + energy, "forces": labels["forces"] + forces}
        return labels


def _molecule(structure: Structures, basis: str, symmetry: str | bool = False) -> Any:
    places = (structure.positions / units.bohr).tolist()
    atoms = list(zip(structure.numbers.tolist(), places, strict=True))
    charge = int(structure.total_charge[0])
    spin = 0 if structure.spin is None else int(structure.spin[0])
    return gto.M(atom=atoms, unit="Bohr", basis=basis, charge=charge, spin=spin, symmetry=symmetry, verbose=0)


def _labels(field: Any, density: np.ndarray | None) -> Labels:
    field.conv_tol = 1e-10
    field.kernel(dm0=density)
    if not field.converged:
        raise LabellingError("not converged")
    return {
        "energy": np.asarray(field.e_tot * units.hartree),
        "forces": -np.asarray(field.nuc_grad_method().kernel()) * (units.hartree / units.bohr),
        "charges": np.asarray(field.mulliken_pop(verbose=0)[1]),
        "dipole": np.asarray(field.dip_moment(unit="AU", verbose=0)) * units.bohr,
    }


def dispersion(atoms: Atoms) -> tuple[float, np.ndarray]:
    """Energy [eV] and forces [eV/Angstrom] of D4 for Hartree-Fock."""
    result = DispersionModel(atoms.numbers, atoms.positions / units.bohr).get_dispersion(
        DampingParam(method="hf"), grad=True
    )
    return float(result["energy"]) * units.hartree, -result["gradient"] * units.hartree / units.bohr


def ion(distance: float) -> Atoms:
    """H2+."""
    return Atoms("H2", positions=[[0, 0, -distance / 2], [0, 0, distance / 2]], info={"charge": 1.0, "spin": 1})


def salt(distance: float) -> Atoms:
    """NaCl."""
    return Atoms("NaCl", positions=[[0, 0, 0], [0, 0, distance]])


def waters(distance: float) -> Atoms:
    """A hydrogen bond, stretched along its O-O axis."""
    donor, acceptor = molecule("H2O"), molecule("H2O")
    for water in (donor, acceptor):
        water.positions -= water.positions[0]
    donor.rotate(donor.positions[1], "x", rotate_cell=False)
    acceptor.rotate(-acceptor.positions[1:].sum(0), (-1.0, 0.0, 1.4))
    acceptor.positions += [distance, 0.0, 0.0]
    return donor + acceptor


def tumbled(distance: float, rng: np.random.Generator) -> Atoms:
    """Two waters of random orientation, their atoms displaced by 0.03 Angstrom and not closer than in a collision."""
    both = _tumbled(distance, rng)
    while both.get_all_distances()[:3, 3:].min() < CONTACT:
        both = _tumbled(distance, rng)
    return both


def _tumbled(distance: float, rng: np.random.Generator) -> Atoms:
    first, second = molecule("H2O"), molecule("H2O")
    for water in (first, second):
        water.positions = (water.positions - water.positions[0]) @ Rotation.random(random_state=rng).as_matrix()
    second.positions[:, 0] += distance
    both = first + second
    both.positions += rng.normal(scale=0.03, size=both.positions.shape)
    return both


class Curve(NamedTuple):
    """A dissociation.

    Attributes:
        labeller: The reference method.
        geometry: The structure at a distance [Angstrom].
        near: First and last distance of the training within the cutoff, and their number.
        output: What a model with terms learns besides the energy.
        law: Interaction of a structure [eV] that holds far away.
        terms: Of a model with terms.
        conditions: Of every model.
    """

    labeller: Any
    geometry: Callable[[float], Atoms]
    near: tuple[float, float, int]
    output: str
    law: Callable[[Atoms], float]
    terms: list[dict[str, Any]]
    conditions: list[str]


def coulomb(charges: tuple[float, float]) -> Callable[[Atoms], float]:
    """Energy of two point charges."""
    return lambda atoms: units.coulomb * charges[0] * charges[1] / atoms.get_distance(0, 1)


def dipoles(atoms: Atoms) -> float:
    """Two point dipoles at the centers of mass, and D4."""
    parts = [atoms[:3], atoms[3:]]
    between = parts[1].get_center_of_mass() - parts[0].get_center_of_mass()
    r = np.linalg.norm(between)
    first, second = (_dipole(part.positions.tobytes()) for part in parts)
    along = (first @ between) * (second @ between) / r**2
    alone = sum(dispersion(part)[0] for part in parts)
    return units.coulomb * (first @ second - 3 * along) / r**3 + dispersion(atoms)[0] - alone


@cache
def _dipole(positions: bytes) -> np.ndarray:
    """Dipole of one water [e Angstrom]."""
    water = Atoms("OH2", positions=np.frombuffer(positions).reshape(3, 3))
    return (
        scf.RHF(_molecule(Structures.from_ase(water), "def2-svp")).run().dip_moment(unit="AU", verbose=0) * units.bohr
    )


CHARGED = [{"name": "electrostatics"}]
CURVES = {
    "H2+, exact": Curve(
        HydrogenIon("hf"), ion, (0.6, 4.0, 100), "charges", coulomb((0.0, 0.0)), CHARGED, ["charge", "spin"]
    ),
    "H2+, PBE": Curve(
        HydrogenIon("pbe"), ion, (0.6, 4.0, 100), "charges", coulomb((0.5, 0.5)), CHARGED, ["charge", "spin"]
    ),
    "NaCl": Curve(
        Fragments("def2-tzvp", 1, (1, -1), False), salt, (1.8, 4.0, 100), "charges", coulomb((1.0, -1.0)), CHARGED, []
    ),
    "water": Curve(
        Fragments("def2-svp", 3, (0, 0), True), waters, (2.8, 6.0, 200), "dipole", dipoles,
        [{"name": "electrostatics", "dipoles": True}, {"name": "d4", "functional": "hf", "cutoff": 16.0}], [],
    ),
}  # fmt: skip
MODELS = ("with terms", "without")


def training_frames(curve: Curve) -> list[Atoms]:
    """Distances within the cutoff, and as many beyond all that is tested."""
    low, high, count = curve.near
    rng = np.random.default_rng(0)
    distances = [*np.linspace(low, high, count), *np.linspace(*FAR, count)]
    if curve.geometry is waters:
        return [tumbled(distance, rng) for distance in distances] + [waters(r) for r in np.arange(2.6, 5.0, 0.2)]
    return [curve.geometry(distance) for distance in distances]


def labelled(name: str, frames: list[Atoms], folder: Path) -> Labelled:
    """Labels, calculated or read."""
    result = label(Structures.from_ase(frames), CURVES[name].labeller, folder / "labels.db", workers=0)
    assert result.labelled is not None and not result.failures, result.failures
    return result.labelled


def trained(name: str, model: str, folder: Path, epochs: int) -> Model:
    """A model of one curve."""
    curve = CURVES[name]
    data = labelled(name, training_frames(curve), folder)
    given, terms = ([curve.output], curve.terms) if model == MODELS[0] else ([], [])
    values = {
        "data": {"train": "unused", "validation": 0.1},
        "model": {
            "representation": SIZES,
            "hidden": [32, 32],
            "outputs": ["energy", *given],
            "terms": terms,
            "conditions": curve.conditions,
        },
        "training": {
            "epochs": epochs,
            "batch_size": 20,
            "weights": {"energy": [1.0, 100.0], "forces": 1.0} | dict.fromkeys(given, 100.0),
            "dtype": "float64",
            "validate_every": 10,
        },
        "output": str(folder / f"{name} {model}".replace(",", "").replace(" ", "-")),
    }
    run = train(parse(RunConfig, values, where=__file__), {"train": Frames(data)})
    print(f"{name}, {model}: {run.history[-1]['seconds']:.0f} s of training", flush=True)
    return run.model


def energies(model: Model, frames: list[Atoms]) -> np.ndarray:
    """Energies [eV]."""
    structures = Structures.from_ase(frames)
    with torch.no_grad():
        return model(structures, neighbor_pairs(structures, model.cutoff), ["energy"])["energy"].double().numpy()


class Result(NamedTuple):
    """Energies of the tested path [eV], without those of the fragments."""

    distances: np.ndarray
    labels: np.ndarray
    law: np.ndarray
    models: dict[str, np.ndarray]


def compared(name: str, folder: Path, epochs: int) -> Result:
    """Labels, law and models along the path; labels and models have the labels' energy of the fragments taken off."""
    curve = CURVES[name]
    distances = np.concatenate([np.linspace(curve.near[0] + 0.1, 4.9, 30), TESTED])
    path = [curve.geometry(distance) for distance in distances]
    far = curve.geometry(FAR[1])
    values = labelled(name, [*path, far], folder).labels["energy"].numpy()
    zero = values[-1] - curve.law(far)
    models = {}
    for model in MODELS:
        network = trained(name, model, folder, epochs)
        models[model] = energies(network, path) - zero
        alone = float(energies(network, [curve.geometry(INFINITE)])[0])
        print(f"{name}, {model}: fragments {1e3 * (alone - zero):.3f} meV from their labels", flush=True)
    return Result(distances, values[:-1] - zero, np.array([curve.law(atoms) for atoms in path]), models)


def rows(name: str, result: Result) -> list[str]:
    """Lines of the table."""
    r = result.distances
    trained = min(CUTOFF, CURVES[name].near[1])
    ranges = (r <= trained, (r > trained) & (r < 8), r >= 8)
    lines = []
    for model, values in result.models.items():
        off = 1e3 * np.abs(values - result.labels)
        law = 1e3 * np.abs(values - result.law)[ranges[2]].max()
        cells = [f"{np.sqrt(np.mean(off[ranges[0]] ** 2)):.1f}", *(f"{off[part].max():.2f}" for part in ranges[1:])]
        lines.append(f"| {name} | {model} | " + " | ".join(cells) + f" | {law:.2f} |")
    gap = 1e3 * np.abs(result.labels - result.law)[ranges[2]].max()
    return [*lines, f"| {name} | the labels themselves | | | | {gap:.2f} |"]


def draw(results: dict[str, Result]) -> None:
    """Above, the curves; below, what models and law miss of the labels."""
    figure, panels = plt.subplots(
        2, len(results), figsize=(3.4 * len(results), 5.6), layout="constrained", squeeze=False
    )
    colors = dict(zip((*MODELS, "law"), ("#1f77b4", "#e07b00", "#888888"), strict=True))
    for (above, below), (name, result) in zip(panels.T, results.items(), strict=True):
        for key, values in (result.models | {"law": result.law}).items():
            shown = result.distances >= (CUTOFF if key == "law" else 0)
            r, line = result.distances[shown], values[shown]
            above.plot(r, line, color=colors[key], label=key, ls=":" if key == "law" else "-")
            below.plot(r, 1e3 * (line - result.labels[shown]), color=colors[key], ls=":" if key == "law" else "-")
        above.plot(result.distances, result.labels, "k.", ms=3, label="labels")
        above.set(title=name, ylim=(1.1 * result.labels.min() - 0.05, max(0.3, 1.1 * result.labels[8:].max())))
        below.set(xlim=(CUTOFF, 15), ylim=(-12, 12), xlabel="distance [Å]")
        below.axhspan(-1, 1, color="#dddddd")
    panels[0, 0].set_ylabel("energy [eV]")
    panels[1, 0].set_ylabel("difference to labels [meV]")
    panels[0, 0].legend(fontsize=8)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/limits"), help="folder of labels and trainings")
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--epochs", type=int, default=300, help="passes over the training frames")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(systems.machine(), flush=True)
    results = {name: compared(name, arguments.output, arguments.epochs) for name in arguments.curves}
    print("| curve | model | trained, RMSE meV | to 8 A, largest error | 8 to 15 A | from its law, 8 to 15 A |")
    print("|---|---|--:|--:|--:|--:|")
    print("\n".join(line for name, result in results.items() for line in rows(name, result)))
    draw(results)


if __name__ == "__main__":
    main()
