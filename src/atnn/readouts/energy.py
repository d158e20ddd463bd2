"""Energy as a sum over atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from atnn.parts import Design, Part, Scene, Statistics, Values

INPUT_SPREAD = 0.2  # e; fixed for charges as inputs: a spread measured before training would delay learning from them


class EnergyReadout(Part):
    """``E = scale * sum_i NN_{z_i}(invariants_i)``.

    Args:
        design: Elements and sizes; ``energy_inputs`` names further atomic values that the network takes as inputs.
    """

    gives = frozenset({"atomic_energies"})
    degree = 0
    scale: Tensor

    def __init__(self, design: Design):
        super().__init__()
        self.inputs = design.energy_inputs
        self.needs = frozenset(self.inputs)
        self.network = design.network(1, known=(INPUT_SPREAD,) * len(self.inputs))
        self.register_buffer("scale", torch.tensor(1.0))

    def start(self, statistics: Statistics, scene: Scene, values: Values) -> None:
        """Start the network from the mean energy per atom less that of the other parts."""
        self.scale.fill_(statistics.scale)
        if statistics.energy is not None:
            left = statistics.energy - _mean_energy(scene, values)
            self.network.start_from((left / self.scale).expand(self.network.elements, 1))

    def forward(self, scene: Scene, values: Values) -> dict[str, Tensor]:
        """``atomic_energies`` [atoms] in eV, without the reference energies of the elements."""
        x = scene.features.nodes[0].squeeze(1)
        if self.inputs:
            x = torch.cat([x, *(values[name][:, None] for name in self.inputs)], dim=1)
        return {"atomic_energies": (self.network(x, scene.elements).squeeze(1) * self.scale).double()}


def _mean_energy(scene: Scene, values: Values) -> float:
    """Compute the mean energy per atom [eV] of the other parts."""
    total = torch.zeros(len(scene.structures), dtype=torch.float64, device=scene.structures.batch.device)
    if "energy" in values:
        total = total + values["energy"]
    if "atomic_energies" in values:
        total = total + scene.sum_structures(values["atomic_energies"].double())
    return float((total / scene.structures.counts).mean())
