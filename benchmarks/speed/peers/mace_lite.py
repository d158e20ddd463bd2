"""MACE with 32 invariant channels through TorchScript, random weights; prints rows as nep.py does."""

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).parents[3]))

import numpy as np
import torch

torch.serialization.add_safe_globals([slice])  # constants of e3nn 0.4
from benchmarks.systems import systems
from benchmarks.timing import seconds
from e3nn import o3
from e3nn.util import jit
from mace import data, modules, tools
from mace.tools import torch_geometric

CUTOFF = 5.0  # Angstrom


def model():
    """Two layers, 32x0e, correlation 2, l up to 2: the "lite" of ../shared/peers.md."""
    torch.manual_seed(0)
    return modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(TABLE),
        hidden_irreps=o3.Irreps("32x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(TABLE)),
        avg_num_neighbors=10.0,
        atomic_numbers=TABLE.zs,
        correlation=2,
        gate=torch.nn.functional.silu,
        radial_MLP=[64, 64, 64],
        radial_type="bessel",
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )


def inputs(frames):
    """The batch dictionary that MACE takes."""
    sets = []
    for frame in frames:
        atoms = frame.copy()
        if not atoms.pbc.any():
            atoms.cell = [50.0] * 3
        sets.append(data.AtomicData.from_config(data.config_from_atoms(atoms), z_table=TABLE, cutoff=CUTOFF))
    return next(iter(torch_geometric.dataloader.DataLoader(sets, batch_size=len(sets), shuffle=False))).to_dict()


TABLE = tools.AtomicNumberTable([1, 6, 7, 8, 29])
torch.set_num_threads(1)
torch.set_default_dtype(torch.float32)
scripted, results = jit.script(model().requires_grad_(False)), []
for name, frames in systems().items():
    batch = inputs(frames)

    def call(batch=batch):
        batch["positions"] = batch["positions"].detach()
        return scripted(batch, training=False, compute_force=True)["forces"]

    results.append(["TorchScript", name, sum(map(len, frames)), seconds(call, repeats=5)])
print(json.dumps(results))
