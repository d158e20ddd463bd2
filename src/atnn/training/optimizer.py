"""Optimizers: Muon for the matrices of a representation, Adam for all other parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from atnn.functions import ElementNetwork, PerElement
from atnn.training.config import TrainingConfig

MOMENTUM = 0.95
ROUNDS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Muon for stacks of matrices: each step is the orthogonal matrix nearest to the momentum.

    All singular directions of a weight matrix are thus learned at the same pace.

    Source: K. Jordan et al., https://kellerjordan.github.io/posts/muon (2024). torch.optim.Muon takes single matrices
    only and computes in bfloat16, which is slow on CPUs.

    Args:
        parameters: Tensors of at least two dimensions; the last two are those of the matrices.
        learning_rate: Singular value of a step, larger for matrices with more columns than rows.
        weight_decay: Decoupled weight decay.
    """

    def __init__(self, parameters: Sequence[Tensor], learning_rate: float, weight_decay: float):
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take a step with the gradients stored in the parameters."""
        assert closure is None
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                alike.setdefault(parameter.shape[-2:], []).append(parameter)
            for parameters in alike.values():
                self._step(parameters, group["lr"], group["weight_decay"])

    def _step(self, parameters: Sequence[Tensor], rate: float, decay: float) -> None:
        directions = []
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            momentum = state.setdefault("momentum", torch.zeros_like(parameter)).lerp_(gradient, 1 - MOMENTUM)
            directions.append(gradient.lerp(momentum, MOMENTUM).reshape(-1, *parameter.shape[-2:]))
        steps = orthogonalize(torch.cat(directions)).split([len(d) for d in directions])
        rows, columns = parameters[0].shape[-2:]
        # Weights [inputs, outputs] start with singular values up to 1 + sqrt(outputs / inputs), whatever their size, so
        # that the same rate suits narrow and wide models.
        size = rate * max(1.0, columns / rows) ** 0.5
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.mul_(1 - rate * decay).add_(step.reshape(parameter.shape), alpha=-size)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Replace the singular values of matrices [count, rows, columns] by values near 1.

    A Newton-Schulz iteration with a polynomial that raises small singular values fast; they end between 0.7 and 1.2.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def build_optimizers(config: TrainingConfig, model: nn.Module) -> list[Optimizer]:
    """Build the optimizers of a run; each parameter belongs to one of them.

    Weight decay acts on matrices only. Biases, tables of the elements, widths and charges have natural values
    other than zero.
    """
    # A batch has few atoms of a rare element, so the inputs of its atomic network hardly vary in some directions.
    # Muon's steps, equally large in all directions, would make the network fail outside the training data.
    networks = {p for m in model.modules() if isinstance(m, ElementNetwork) for p in m.parameters()}
    tables = {p for m in model.modules() if isinstance(m, PerElement) for p in m.parameters()}
    matrices = [p for p in model.parameters() if p.dim() > 1 and p not in networks | tables]
    layers = [p for p in model.parameters() if p in networks - tables and p.dim() > 1 and p.shape[-2] > 1]
    taken = {*matrices, *layers}
    others = [p for p in model.parameters() if p not in taken]
    rate, decay = config.learning_rate, config.weight_decay
    by_muon, by_adam = (matrices, layers) if config.optimizer == "muon" else ([], matrices + layers)
    optimizers: list[Optimizer] = [Muon(by_muon, rate, decay)] if by_muon else []
    groups = [{"params": by_adam, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    if groups := [group for group in groups if group["params"]]:
        optimizers.append(AdamW(groups, lr=rate, fused=True))
    return optimizers
