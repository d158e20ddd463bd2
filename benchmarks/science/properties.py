"""Property surfaces on shared data: polarizabilities, dipoles and Born charges, half of the frames to train.

    OMP_NUM_THREADS=1 python -m benchmarks.science.properties [--rows monomer qm7b] [--models neat acsf] [--scale 0.1]

A row is a set of frames with its labels. ``--scale`` multiplies the epochs of every row, and small ones also keep fewer
frames, to try the script. Finished trainings are kept in benchmarks/science/properties.json, and with all of them there
only the table is written. The relative error is the root mean square error over all components divided by that of a
model which always gives the mean of the test labels. The error over the size is divided by that of a model which always
gives zero; which of both others have published is not always said. The data are those under ATNN_DATA.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from benchmarks import systems
from benchmarks.kept import keep

from atnn.data import Frames, select
from atnn.model import Model
from atnn.model.presets import PRESETS
from atnn.quantities import QUANTITIES
from atnn.specification import parse
from atnn.structures import Labelled, Structures
from atnn.training import RunConfig, evaluate, train
from atnn.units import angstrom3_polarizability, bohr, debye, field_atomic_unit

RESULTS = Path(__file__).with_name("properties.json")
MODELS: dict[str, dict[str, Any]] = {
    "acsf": {"representation": {"name": "acsf", "cutoff": 5.0}, "hidden": [32, 32]},
    "gmp": {"representation": {"name": "gmp", "cutoff": 5.0}, "hidden": [32, 32]},
    "eann": {"representation": {"name": "eann", "cutoff": 5.0, "channels": 12}, "hidden": [32, 32]},
    "reann": PRESETS["fast"],
    "neat": {"representation": {"name": "neat", "cutoff": 5.0, "channels": 32}, "hidden": [16]},
}
FIELD = 2e-3  # atomic units, step of the differences of PySCF's dipoles


class Row(NamedTuple):
    """A set of the table.

    Attributes:
        load: Makes the labelled frames.
        outputs: What the model learns; the labels in the loss are those of ``load``.
        epochs: Passes over the training half.
        batch_size: Structures of a step.
        wanted: What others reach, or what the issue asks for.
        cutoff: Of the representation [Angstrom].
    """

    load: Callable[[], Labelled]
    outputs: tuple[str, ...]
    epochs: int
    batch_size: int
    wanted: str
    cutoff: float = 5.0


def read(path: str, *names: str) -> Labelled:
    """Labels of a shared file, whose polarizabilities are in Angstrom^3."""
    frames = ase.io.read(systems.data(*path.split("/")), ":")
    return label(frames, {name: np.array([find_label(atoms, name) for atoms in frames]) for name in names})


def find_label(atoms: Atoms, name: str) -> np.ndarray:
    """One label in the package's units."""
    if name == "born_charges":
        return atoms.arrays[name].reshape(-1, 3, 3)
    if name == "dipole":
        return np.asarray(atoms.calc.results["dipole"])
    alpha = np.asarray(atoms.info[name]).reshape(3, 3) * angstrom3_polarizability
    return 0.5 * (alpha + alpha.T)


def label(frames: list[Atoms], values: dict[str, np.ndarray]) -> Labelled:
    """Join frames and labels; values of atoms are given per frame."""
    for atoms in frames:
        atoms.calc = None
        atoms.info = {key: value for key, value in atoms.info.items() if key == "charge"}
    labels = {
        name: torch.as_tensor(np.concatenate(value) if QUANTITIES[name].axis == "atom" else value)
        for name, value in values.items()
    }
    mask = torch.ones(len(frames), dtype=torch.bool)
    return Labelled(Structures.from_ase(frames), labels, dict.fromkeys(labels, mask))


def join_tensors() -> Labelled:
    """Dipoles and polarizabilities of the same 80 boxes of water."""
    dipoles = read("water_tensor_deepmd/dipole_training.xyz.gz", "dipole")
    alphas = read("water_tensor_deepmd/polar_training.xyz.gz", "polarizability")
    torch.testing.assert_close(dipoles.structures.positions, alphas.structures.positions)
    return dipoles._replace(labels=dipoles.labels | alphas.labels, masks=dipoles.masks | alphas.masks)


def compute_polarizabilities(name: str, count: int = 100) -> Labelled:
    """Polarizabilities (Hartree-Fock, 6-31G) of distorted molecules; those of four atoms stay planar."""
    rng, frames, alphas = np.random.default_rng(0), [], []
    for _ in range(count):
        atoms = molecule(name)
        shift = rng.normal(scale=0.05, size=atoms.positions.shape)
        if len(atoms) == 4:
            shift[:, 0] = 0.0  # the plane of ASE's formaldehyde is yz
        atoms.positions += shift
        frames.append(atoms)
        alphas.append(differentiate_dipoles(atoms))
    return label(frames, {"polarizability": np.array(alphas)})


def differentiate_dipoles(atoms: Atoms) -> np.ndarray:
    """Differences of dipoles in a field [e^2 Angstrom^2/eV]."""
    from pyscf import gto, scf

    described = [(symbol, tuple(r)) for symbol, r in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)]
    mol = gto.M(atom=described, basis="6-31g", verbose=0)
    core, dipole, density = scf.hf.get_hcore(mol), mol.intor("int1e_r"), None
    columns = []
    for axis in range(3):
        found = []
        for step in (FIELD, -FIELD):
            method = scf.RHF(mol)
            method.conv_tol = 1e-11
            method.get_hcore = lambda *_, h=core + step * dipole[axis]: h
            method.kernel(density)
            density = method.make_rdm1()
            found.append(method.dip_moment(unit="AU", verbose=0))
        columns.append((found[0] - found[1]) / (2 * FIELD) * bohr / field_atomic_unit)
    alpha = np.array(columns)
    return 0.5 * (alpha + alpha.T)


DIPOLE, ALPHA = ("dipole",), ("polarizability",)
ROWS = {
    "monomer": Row(lambda: read("water_sagpr/monomer.xyz.gz", *ALPHA), ALPHA, 400, 20, "0.06 %"),
    "zundel": Row(lambda: read("water_sagpr/zundel.xyz.gz", *ALPHA), ALPHA, 600, 20, "0.1 %"),
    "dimer": Row(lambda: read("water_sagpr/dimer.xyz.gz", *ALPHA), ALPHA, 400, 20, "1.6 %"),
    "dimer, cutoff 9": Row(lambda: read("water_sagpr/dimer.xyz.gz", *ALPHA), ALPHA, 400, 20, "1.6 %", cutoff=9.0),
    "bulk": Row(lambda: read("water_sagpr/bulk.xyz.gz", *ALPHA), ALPHA, 80, 4, "2.1 %"),
    "qm7b": Row(lambda: read("qm7b_dipole_polar/frames.xyz.gz", *DIPOLE, *ALPHA), DIPOLE + ALPHA, 200, 10,
                "0.1 D a molecule, 3 %"),
    "water_tensor": Row(join_tensors, DIPOLE + ALPHA, 200, 2, "DeePMD"),
    "apt, derived": Row(lambda: read("water_apt/frames.xyz.gz", "born_charges"), DIPOLE, 200, 1, "sum rule"),
    "apt, direct": Row(lambda: read("water_apt/frames.xyz.gz", "born_charges"), ("born_charges",), 200, 1, "sum rule"),
    "planar formaldehyde": Row(lambda: compute_polarizabilities("H2CO"), ALPHA, 400, 10, "1.5 times bent water"),
    "bent water": Row(lambda: compute_polarizabilities("H2O"), ALPHA, 400, 10, ""),
}  # fmt: skip


def run(name: str, model: str, seed: int, scale: float, compiled: bool) -> dict[str, Any]:
    """Train on half of the frames and test on the others; kept results are not computed again."""
    key = f"{name}, {model}, seed {seed}" + ("" if scale == 1 else f", scale {scale:g}")
    return keep(RESULTS, key, lambda: measure(ROWS[name], model, seed, scale, compiled))


def measure(row: Row, model: str, seed: int, scale: float, compiled: bool) -> dict[str, Any]:
    """Errors, number of parameters and seconds of one training."""
    data = row.load()
    count = len(data.structures) if scale == 1 else max(8, round(min(1.0, 5 * scale) * len(data.structures)))
    order = np.random.default_rng(seed).permutation(len(data.structures))[:count]
    half, held = order[: count // 2], max(1, count // 20)
    parts = {"train": half[held:], "validation": half[:held], "test": order[count // 2 :]}
    sets = {part: Frames(select(data, chosen)) for part, chosen in parts.items()}
    epochs = max(1, round(scale * row.epochs))
    settings = MODELS[model] | {"outputs": row.outputs}
    settings["representation"] = settings["representation"] | {"cutoff": row.cutoff}
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "data": {"train": "given"},
            "model": settings,
            "training": {
                "epochs": epochs,
                "batch_size": row.batch_size,
                "weights": dict.fromkeys(data.labels, 1.0),
                "learning_rate": 4e-3,
                "compile": compiled,
                "validate_every": max(1, epochs // 20),
            },
            "output": folder,
            "seed": seed,
        }
        start = time.process_time()
        found = train(parse(RunConfig, values, where="benchmarks/science/properties.py"), sets)
        seconds = time.process_time() - start
    size = sum(parameter.numel() for parameter in found.model.parameters())
    return compare(found.model, sets["test"]) | {"parameters": size, "seconds": seconds, "frames": count}


def compare(model: Model, test: Frames) -> dict[str, Any]:
    """Errors on the test half, and how far Born charges are from their sum rule."""
    names = list(test.labelled.labels)
    errors, result = evaluate(model, test, names), {}
    for name in names:
        found = errors[name]
        spread = np.sqrt(np.mean((found.reference - found.reference.mean(0)) ** 2))
        size = np.sqrt(np.mean(found.reference**2))
        result[name] = {"rmse": found.rmse, "relative": found.rmse / float(spread), "of_size": found.rmse / float(size)}
        if name == "dipole":
            lengths = np.linalg.norm(found.predicted - found.reference, axis=1)
            result[name]["vector_rmse_debye"] = float(np.sqrt((lengths**2).mean()) / debye)
        if name == "born_charges":
            counts = test.labelled.structures.counts.tolist()
            sums = [part.sum(0) for part in np.split(found.predicted, np.cumsum(counts)[:-1])]
            result[name]["sum_rule"] = float(np.abs(sums).max())
    return {"errors": result}


def tabulate(results: dict[tuple[str, str, int], dict[str, Any]]) -> str:
    """The table of all trainings as Markdown."""
    head = ["set", "model", "quantity", "RMSE", "relative", "over size", "wanted", "parameters", "minutes"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (name, model, _), result in results.items():
        for quantity, error in result["errors"].items():
            row = QUANTITIES[quantity]
            shown = f"{error['rmse'] * row.display_factor:.4g} {row.display_unit}"
            extra = f", {error['vector_rmse_debye']:.3f} D" if "vector_rmse_debye" in error else ""
            extra += f", sums within {error['sum_rule']:.1e} e" if "sum_rule" in error else ""
            cells = [name, model, quantity, shown + extra, f"{100 * error['relative']:.2f} %",
                     f"{100 * error['of_size']:.2f} %", ROWS[name].wanted, str(result["parameters"]),
                     f"{result['seconds'] / 60:.1f}"]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["neat", "reann"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--eager", action="store_true", help="do not compile the training step")
    given = parser.parse_args()
    results = {
        (name, model, seed): run(name, model, seed, given.scale, not given.eager)
        for name in given.rows
        for model in given.models
        for seed in range(given.seeds)
    }
    print(tabulate(results))


if __name__ == "__main__":
    main()
