"""Tracing turns a Python function of tensors into one compiled graph that serves every size.

``torch.compile`` does not differentiate twice, so the function is first traced with its inner derivatives by
``make_fx``; the graph holds plain operations only, has no guards, and is compiled once by inductor.
"""

from __future__ import annotations

import itertools
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from atnn.errors import AtnnWarning

logger = logging.getLogger("atnn")

# Sizes of the stand-ins while tracing. Equal sizes become one symbol, so each name needs a size unlike any other.
SIZES = (1009, 10007, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063)

Names = tuple[str | None, ...]


def try_compile(
    function: Callable[..., Sequence[Tensor]], example: Sequence[Tensor], names: Sequence[Names], what: str
) -> Callable[..., Any] | None:
    """Trace and compile a function; where that fails, warn and return None, so that the caller evaluates it eagerly.

    Args:
        function, example, names: As in :func:`trace`.
        what: What the function computes, for messages.
    """
    try:
        if any(tensor.device.type == "cpu" for tensor in example):
            from torch._inductor.cpp_builder import get_cpp_compiler  # a second, which only compilation shall cost

            get_cpp_compiler()
        logger.info("compiling %s: 10 to 140 s, once for each process (without compilation it starts at once)", what)
        start = time.perf_counter()
        compiled = compile_graph(*trace(function, example, names))
    # Compilers raise any exception. Nothing is hidden: an error of the function itself returns when it is evaluated.
    except Exception as error:
        _warn(what, error)
        return None
    logger.info("compiled %s in %.0f s", what, time.perf_counter() - start)
    return compiled


def _warn(what: str, error: Exception) -> None:
    from torch._inductor.exc import InvalidCxxCompiler

    if isinstance(error, InvalidCxxCompiler):
        reason = "no C++ compiler found"
        remedy = "install one (apt install g++, or conda install gxx), name one by CXX, or ask for no compilation"
    else:
        reason, remedy = f"{type(error).__name__}: {error}"[:500], "ask for no compilation; the numbers are the same"
    warnings.warn(
        f"{what} could not be compiled and runs eagerly, which is slower: {reason}\n-> {remedy}",
        AtnnWarning,
        stacklevel=4,
    )


def trace(
    function: Callable[..., Sequence[Tensor]], example: Sequence[Tensor], names: Sequence[Names]
) -> tuple[GraphModule, list[Tensor]]:
    """Trace a function of tensors into a graph in which named sizes are symbols.

    Args:
        function: A function of tensors only; it may call ``torch.autograd.grad``.
        example: Example arguments, of which only type, device and unnamed sizes matter.
        names: For each argument, the names of the dimensions that vary, None for fixed ones; the size ``"x+1"`` is
            one more than ``"x"``.

    Returns:
        The graph, and the stand-in arguments for :func:`compile_graph`.
    """
    free = dict.fromkeys(name.removesuffix("+1") for name in itertools.chain(*names) if name)
    sizes = dict(zip(free, SIZES, strict=False))
    sizes |= {f"{name}+1": size + 1 for name, size in sizes.items()}
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    fakes = [_make_stand_in(mode, tensor, dims, sizes) for tensor, dims in zip(example, names, strict=True)]
    graph = make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*fakes)
    return graph, fakes


def _make_stand_in(mode: FakeTensorMode, tensor: Tensor, names: Names, sizes: dict[str, int]) -> Tensor:
    shape = [sizes[name] if name else size for name, size in zip(names, tensor.shape, strict=True)]
    dynamic = [DimDynamic.DUCK if name else DimDynamic.STATIC for name in names]
    meta = torch.empty(shape, dtype=tensor.dtype, device=tensor.device)
    return mode.from_tensor(meta, symbolic_context=StatelessSymbolicContext(dynamic_sizes=dynamic))


def compile_graph(graph: GraphModule, fakes: Sequence[Tensor]) -> Callable[..., Any]:
    """Compile a graph to a callable of the same arguments, without guards or autograd."""
    from torch._inductor import standalone_compile

    return standalone_compile(graph, list(fakes), dynamic_shapes="from_graph")
