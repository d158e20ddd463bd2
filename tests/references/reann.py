"""REANN or EquiREANN by their published code: ``python tests/references/reann.py CHECKOUT``.

CHECKOUT is a clone of https://github.com/zhangylch/REANN or https://github.com/bjiangch/EquiREANN. Its class PES reads
the input files, takes random weights, and gives energies and forces in float64. The neighbors are those of ASE.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule
from ase.neighborlist import neighbor_list
from writing import write_reference

PACKAGES = {"reann": "zhangylch/REANN", "equireann": "bjiangch/EquiREANN"}
# Two elements in an order that is not that of their atomic numbers; blocks, dropout and widths that tell layers apart.
INPUTS = {
    "input_density": "  neigh_atoms = 60\n  cutoff = 3.3   # not a number of float32\n  nipsin = 2\n"
    "  atomtype = ['O', 'H']\n  nwave = 3\n  norbit = 7\n",
    "input_nn": "# required parameters\n  start_table = 1\n  nl = [4, 3]\n  nblock = 2\n  dropout_p = [0.1, 0.0]\n"
    "  table_norm = True\n  activate = 'Relu_like'\n  Epoch = 20000   # max iterations epoch\n"
    "  oc_nl = [3]\n  oc_nblock = 1\n  oc_dropout_p = [0.0]\n  oc_activate = 'Tanh_like'\n"
    "  oc_table_norm = False\n  oc_loop = 2\n",
}


def structures():
    """A molecule, two in a small cell that is periodic in two directions, and a skewed crystal."""
    rng = np.random.default_rng(0)
    water = molecule("H2O")
    second = water.copy()
    second.positions = water.positions @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) + [2.0, 1.5, 0.5]
    slab = water + second
    slab.set_cell([4.5, 4.0, 12.0])
    slab.set_pbc([True, True, False])
    crystal = water[[1, 2, 0]]
    crystal.set_cell([[2.9, 0, 0], [0.7, 3.1, 0], [0.3, -0.5, 2.8]])
    crystal.set_pbc(True)
    frames = [water, slab, crystal]
    for frame in frames:
        frame.positions += rng.normal(scale=0.1, size=frame.positions.shape)
    return frames


def randomize(model):
    """Weights of usual size, and one Gaussian that grows with the distance."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start = 1.0 if name.endswith(("alpha", "beta")) else 0.0
            parameter.copy_(start + 0.4 * torch.randn(parameter.shape, generator=generator))
        model.density.rs.copy_(0.5 + 2.0 * torch.rand(model.density.rs.shape, generator=generator))
        model.density.inta.copy_(-0.3 - torch.rand(model.density.inta.shape, generator=generator))
        model.density.inta[0, 1] = 0.06
        model.density.params.mul_(3.0)
        for element, net in model.nnmod.elemental_nets.items():
            net[-1].bias.add_({"O": -430.25, "H": -13.5}[element])


def evaluate(model, frame):
    species = torch.tensor([["O", "H"].index(symbol) for symbol in frame.symbols])
    positions = torch.tensor(frame.positions, requires_grad=True)
    i, j, shifts = neighbor_list("ijS", frame, 3.3)
    pairs, shifts = torch.tensor(np.stack([i, j])), torch.tensor(shifts @ frame.cell[:])
    energy = model.nnmod(model.density(positions, pairs, shifts, species), species).sum()
    energy = energy + len(frame) * getattr(model.nnmod, "initpot", torch.zeros(1)).sum()
    (gradient,) = torch.autograd.grad(energy, positions)
    return {
        "symbols": str(frame.symbols), "positions": frame.positions.tolist(), "cell": frame.cell[:].tolist(),
        "pbc": frame.pbc.tolist(), "energy": energy.item(), "forces": (-gradient).tolist(),
    }  # fmt: skip


def main(checkout):
    commit = subprocess.run(
        ["git", "-C", checkout, "log", "-1", "--format=%H"], capture_output=True, text=True, check=True
    ).stdout.strip()
    sys.path.insert(0, str(checkout / "reann"))
    torch.set_default_dtype(torch.float64)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("para").mkdir()
        for name, text in INPUTS.items():
            Path("para", name).write_text(text)
        from pes.PES import PES

        model = PES().double().eval()
    randomize(model)
    name = "equireann" if model.density.hyper.dim() == 4 else "reann"
    if name == "equireann":
        model.nnmod.initpot.fill_(-0.125)
    values = {
        "inputs": INPUTS,
        "weights": {key: value.tolist() for key, value in model.state_dict().items()},
        "structures": [evaluate(model, frame) for frame in structures()],
    }
    write_reference(
        name,
        values,
        unit="eV and Angstrom",
        source=f"random weights in the class PES of https://github.com/{PACKAGES[name]}",
        version=f"{name} {commit}",
        script="reann.py",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
