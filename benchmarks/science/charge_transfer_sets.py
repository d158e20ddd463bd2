"""The four charge-transfer systems of Ko et al. (doi:10.1038/s41467-020-20427-2), regenerated with GFN2- and GFN1-xTB.

    OMP_NUM_THREADS=1 python -m benchmarks.science.charge_transfer_sets [--frames 2000]

In each set two members differ in electrons or in atoms far away, and the charges of atoms whose neighborhood is the
same differ with them:

carbon   C10H2, and C10H3+ with the extra proton at one end. As published: 5000 steps of 0.5 fs of dynamics at 300 K of
         each, here with a Langevin thermostat, from which the frames are taken at equal distances.
nacl     Na9Cl8+, and Na8Cl8+ from which a neutral Na is missing. The corner Na farthest from there moved along
         one of its bonds, then all atoms displaced by 0.05 Angstrom.
silver   Ag3+ and Ag3-. From the triangle (minimum of the cation) to the chain (of the anion), then displaced by 0.1.
gold     Au2 on MgO, undoped, and with Al for two Mg 8 Angstrom below; on end and flat. A smaller relative, a bar of
         2 x 2 x 4 ions, which trains in minutes. Ions displaced by 0.02 Angstrom, as in the published frames, Au by
         0.1. Labels are GFN1-xTB: D4, a part of GFN2-xTB, has steps (see tests/physics/test_dispersion.py) where the
         coordination number of a Mg goes through 7.8, half-way between two references.

Widths are standard deviations of each coordinate. The published recipe of the carbon chains is that of
github.com/tongzhugroup/Molecule_Charge_Datasets_Collection; where none is named we know of none, and it is ours. All
labels are closed-shell at 300 K, Na8Cl8+ with one unpaired electron, of GFN2-xTB but for gold: energy, forces, Mulliken
charges, dipole.
Published labels are PBE and Hirshfeld charges. Labels stay in the output folder: called again it goes on where it was
stopped, and with all there only the table and the picture are written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from ase import Atoms
from ase.io import iread
from benchmarks import systems

from atnn.active import sample_geometries
from atnn.data import write_extxyz
from atnn.labelling import LabellerPotential, TbliteLabeller, label
from atnn.observables import relax
from atnn.structures import Labelled, Structures

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GFN2, GFN1 = TbliteLabeller("GFN2-xTB"), TbliteLabeller("GFN1-xTB")
STEPS = 5000  # of dynamics of each carbon chain
TIMED = 10  # labels whose processor time is measured
PICTURE = systems.ROOT / "docs" / "images" / "charge_transfer_sets.png"


class Set(NamedTuple):
    """Two members by name, each a function of the number of frames; the number published for both; some atoms whose
    charge tells the members apart although their neighborhood does not, and their name; the source of labels."""

    members: dict[str, Callable[[int], list[Atoms]]]
    published: int
    observed: tuple[int, ...]
    where: str
    labeller: TbliteLabeller = GFN2


def relaxed(atoms: Atoms, force: float = 5e-3, labeller: TbliteLabeller = GFN2) -> Atoms:
    """The nearest minimum."""
    return relax(LabellerPotential(labeller), Structures.from_ase(atoms), force, 300).to_ase()[0]


def displaced(atoms: Atoms, widths: np.ndarray | float, rng: np.random.Generator) -> Atoms:
    """A copy with every coordinate displaced at random; widths [atoms] or one for all [Angstrom]."""
    moved = atoms.copy()
    moved.positions += rng.normal(size=atoms.positions.shape) * np.broadcast_to(widths, len(atoms))[:, None]
    return moved


def chain(cation: bool) -> Atoms:
    """H-(CC)5-H, or with a second H at its first atom."""
    x = np.concatenate([[0.0], np.cumsum([1.22, 1.34] * 4 + [1.22])])
    ends = [[-0.58, 0.91, 0], [-0.58, -0.91, 0]] if cation else [[-1.05, 0, 0]]
    carbons = np.stack([x, 0 * x, 0 * x], axis=1)
    positions = np.concatenate([carbons, ends, [[x[-1] + 1.05, 0, 0]]])
    return Atoms(f"C10H{len(ends) + 1}", positions=positions, info={"charge": float(cation)})


def carbon(cation: bool, count: int) -> list[Atoms]:
    """Snapshots of dynamics at 300 K, the first one the minimum."""
    start = Structures.from_ase(chain(cation))
    spacing = max(1, STEPS // count)
    potential, snapshots = LabellerPotential(GFN2), 1.0 - 1.0 / count
    return sample_geometries(potential, start, count, int(cation), (300.0,), snapshots, spacing).to_ase()


def nacl(vacancy: bool, count: int) -> list[Atoms]:
    """A block of 3 x 3 x 2 ions without a Cl on an edge; the corner Na beside it may be missing, too."""
    moved, anchor = (0, 2, 2), (1, 2, 2)
    sites = [site for site in np.ndindex(2, 3, 3) if site not in ((0, 1, 0), moved)] + [moved]
    symbols = ["Cl" if sum(site) % 2 else "Na" for site in sites]
    atoms = relaxed(Atoms(symbols, positions=2.8 * np.array(sites), info={"charge": 1.0, "spin": 0}))
    bond = atoms.positions[-1] - atoms.positions[sites.index(anchor)]
    if vacancy:
        del atoms[sites.index((0, 0, 0))]
        atoms.info["spin"] = 1
    rng, frames = np.random.default_rng(int(vacancy)), []
    for stretch in rng.uniform(-0.3, 1.0, count):
        frame = atoms.copy()
        frame.positions[-1] += stretch * bond / np.linalg.norm(bond)
        frames.append(displaced(frame, 0.05, rng))
    return frames


def silver(charge: int, count: int) -> list[Atoms]:
    """Any shape between the triangle and the chain, with either charge."""
    angle = np.pi / 3
    triangle = relaxed(Atoms("Ag3", positions=_bent(2.7, angle), info={"charge": 1.0}))
    line = relaxed(Atoms("Ag3", positions=_bent(2.6, np.pi), info={"charge": -1.0}))
    lengths = [atoms.get_distance(0, 1) for atoms in (triangle, line)]
    rng, frames = np.random.default_rng(2 + charge), []
    for share in rng.uniform(size=count):
        places = _bent(lengths[0] + share * (lengths[1] - lengths[0]), angle + share * (np.pi - angle))
        frames.append(displaced(Atoms("Ag3", positions=places, info={"charge": float(charge)}), 0.1, rng))
    return frames


def _bent(length: float, angle: float) -> np.ndarray:
    """Three atoms, two bonds of equal length and the angle between them."""
    ends = [[length * np.sin(side * angle / 2), length * np.cos(angle / 2), 0] for side in (1, -1)]
    return np.array([[0.0, 0.0, 0.0], *ends])


def gold(doped: bool, count: int) -> list[Atoms]:
    """Au2 on end on an O of the upper face, and flat on both O, half of the frames each."""
    sites = list(np.ndindex(4, 2, 2))
    symbols = ["O" if sum(site) % 2 else "Mg" for site in sites]
    if doped:
        symbols[:4] = ["Al" if symbol == "Mg" else symbol for symbol in symbols[:4]]
    bar = 2.1 * np.array(sites, dtype=float)[:, ::-1]
    first, second = (bar[k] for k, site in enumerate(sites) if site[0] == 3 and symbols[k] == "O")
    middle, along = (first + second) / 2, (second - first) / np.linalg.norm(second - first)
    up = np.array([0.0, 0.0, 1.0])
    on_end, flat = [first + 2.0 * up, first + 4.5 * up], [middle + 2.1 * up + side * along for side in (-1.3, 1.3)]
    starts = [Atoms([*symbols, "Au", "Au"], np.concatenate([bar, gold])) for gold in (on_end, flat)]
    minima = [relaxed(start, 2e-2, GFN1) for start in starts]
    rng, widths = np.random.default_rng(int(doped)), np.where(minima[0].numbers == 79, 0.1, 0.02)
    return [displaced(minima[k % 2], widths, rng) for k in range(count)]


SETS = {
    "carbon": Set({"C10H2": partial(carbon, False), "C10H3+": partial(carbon, True)}, 10019, (-1,), "H, far end"),
    "nacl": Set({"Na9Cl8+": partial(nacl, False), "Na8Cl8+": partial(nacl, True)}, 5000, (-1,), "Na, moved"),
    "silver": Set({"Ag3+": partial(silver, 1), "Ag3-": partial(silver, -1)}, 11013, (0,), "Ag, middle"),
    "gold": Set({"undoped": partial(gold, False), "doped": partial(gold, True)}, 5000, (-2, -1), "Au2", GFN1),
}


def sizes(names: list[str], frames: list[int] | None) -> dict[str, int]:
    """Frames of each set, given once for all or for each."""
    given = frames or [SETS[name].published for name in names]
    return dict(zip(names, given * len(names) if len(given) == 1 else given, strict=True))


def make(name: str, total: int, folder: Path) -> Path:
    """Write a set, the first member first, unless it is there; frames without labels are counted and left out."""
    path = folder / f"{name}-{total}.xyz.gz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    counts = (total // 2, total - total // 2)
    parts = [geometries(name, k, counts[k], folder) for k in (0, 1)]
    result = label(Structures.concatenate(parts), SETS[name].labeller, folder / f"{name}.db", workers=0)
    assert result.labelled is not None, result.failures[0]
    print(f"{name}: {len(result.failures)} of {total} frames have no labels", *result.failures[:1], flush=True)
    write_extxyz(path, result.labelled)
    return path


def geometries(name: str, member: int, count: int, folder: Path) -> Structures:
    """Geometries of one member; kept, since dynamics and relaxation take minutes."""
    path = folder / f"{name}-{member}-{count}-geometries.xyz.gz"
    if not path.exists():
        frames = list(SETS[name].members.values())[member](count)
        write_extxyz(path, Labelled(Structures.from_ase(frames), {}, {}))
    return Structures.from_ase(iread(path))


def charges_of(atoms: Atoms, observed: tuple[int, ...]) -> float:
    """Sum of the charges of some atoms."""
    return float(sum(atoms.get_charges()[list(observed)]))


def seconds_per_label(frames: list[Atoms], labeller: TbliteLabeller) -> float:
    """Median processor time."""
    times = []
    for structure in Structures.from_ase(frames).singles():
        start = time.process_time()
        labeller(structure)
        times.append(time.process_time() - start)
    return float(np.median(times))


def row(name: str, member: str, frames: list[Atoms]) -> str:
    """A line of the table."""
    forces = np.concatenate([atoms.get_forces() for atoms in frames])
    energies = [atoms.get_potential_energy() / len(atoms) for atoms in frames]
    observed = [charges_of(atoms, SETS[name].observed) for atoms in frames]
    timed = frames[:: max(1, len(frames) // TIMED)][:TIMED]
    cells = (
        f"{name}, {member}",
        f"{len(frames)} of {SETS[name].published} for both",
        f"{len(frames[0])}",
        f"{1e3 * seconds_per_label(timed, SETS[name].labeller):.0f}",
        f"{1e3 * np.std(energies):.0f}",
        f"{1e3 * np.sqrt(np.mean(forces**2)):.0f}",
        f"{SETS[name].where}: {1e3 * np.mean(observed):.0f} ± {1e3 * np.std(observed):.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def draw(sets: dict[str, dict[str, list[Atoms]]]) -> None:
    """Charges of the observed atoms, a panel for each set."""
    figure, panels = plt.subplots(1, len(sets), figsize=(3.2 * len(sets), 2.9), layout="constrained", squeeze=False)
    for panel, (name, members) in zip(panels[0], sets.items(), strict=True):
        for member, frames in members.items():
            panel.hist([charges_of(atoms, SETS[name].observed) for atoms in frames], 40, alpha=0.6, label=member)
        panel.set(xlabel=f"charge of {SETS[name].where} [e]", yticks=[])
        panel.legend(fontsize=8)
    panels[0, 0].set_ylabel("frames")
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--frames", nargs="+", type=int, help="of each set, or one for all; as published if left out")
    parser.add_argument("--output", type=Path, default=Path("runs/charge-transfer"), help="folder of labels and sets")
    arguments = parser.parse_args()
    print(systems.machine(), flush=True)
    lines = [
        "| set | frames, published | atoms | ms/label | energies, meV/atom | forces, meV/A | charge, me |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    sets: dict[str, dict[str, list[Atoms]]] = {}
    for name, count in sizes(arguments.sets, arguments.frames).items():
        frames = list(iread(make(name, count, arguments.output)))
        composition = [(tuple(atoms.numbers), atoms.info.get("charge")) for atoms in frames]
        first = [kind == composition[0] for kind in composition]
        members = dict.fromkeys(SETS[name].members)
        for member, chosen in zip(members, (True, False), strict=True):
            members[member] = [atoms for atoms, is_first in zip(frames, first, strict=True) if is_first == chosen]
            lines.append(row(name, member, members[member]))
            print(lines[-1], flush=True)
        sets[name] = members
    print("\n".join(lines))
    draw(sets)


if __name__ == "__main__":
    main()
