"""Files of parameters as the published code of SpookyNet saves them, small and with random weights."""

import math

import numpy as np
import torch

from atnn.functions import electron_shells

ROWS = 87  # elements and a row for none
PARTS = ("electron", "pre", "local_x", "local_s", "local_p", "local_d", "local")
PARTS += ("nonlocal_q", "nonlocal_k", "nonlocal_v", "post", "output")
SCREENING = {"c1": 0.2, "c2": 0.6, "c3": 0.2, "c4": 0.03, "a1": 2.1, "a2": 0.9, "a3": 0.5, "a4": 0.2}
SCREENING |= {"apow": 0.24, "adiv": 2.3}
DISPERSION = {"s6": 1.0, "s8": 1.4, "a1": 0.56, "a2": 3.8, "scaleq": 0.89}


def some_options(**changes):
    options = {"activation": "swish", "num_features": 16, "num_basis_functions": 5, "num_modules": 2}
    options |= {f"num_residual_{part}": 1 for part in PARTS}
    options |= {"basis_functions": "exp-bernstein", "exp_weighting": True, "cutoff": 4.5, "lr_cutoff": None}
    options |= {"use_zbl_repulsion": True, "use_electrostatics": True, "use_d4_dispersion": True}
    options |= {"use_irreps": True, "use_nonlinear_embedding": False, "compute_d4_atomic": False}
    return options | {"module_keep_prob": 0.9, "Zmax": ROWS} | changes


def some_parameters(options):
    """All weights but the tables of D4; in float32, from a generator whose numbers are the same everywhere."""
    generator, width, count = np.random.default_rng(15), options["num_features"], options["num_basis_functions"]
    found = {}

    def draw(name, *shape, scale, middle=0.0):
        found[name] = torch.tensor(middle + scale * generator.standard_normal(shape), dtype=torch.float32)

    def layer(activation, linear, bias):
        draw(f"{activation}.alpha", width, scale=0.1, middle=1.0)
        draw(f"{activation}.beta", width, scale=0.1, middle=1.7)
        draw(f"{linear}.weight", width, width, scale=1.2 / math.sqrt(width))
        if bias:
            draw(f"{linear}.bias", width, scale=0.1)

    def residual(name, bias=True):
        for number in "12":
            layer(f"{name}.activation{number}", f"{name}.linear{number}", bias)

    def network(name, bias=True):
        residual(f"{name}.residual.stack.0", bias)
        layer(f"{name}.activation", f"{name}.linear", bias)

    draw("element_bias", ROWS, 2, scale=0.3)
    found["keep_prob"] = torch.tensor(0.9)
    draw("nuclear_embedding.element_embedding", ROWS, width, scale=0.5)
    shells = torch.cat([torch.zeros(1, 20), electron_shells(range(1, ROWS)).float()])
    found["nuclear_embedding.electron_config"] = shells
    draw("nuclear_embedding.config_linear.weight", width, 20, scale=0.5)
    for name, signs in (("charge", 2), ("magmom", 1)):
        draw(f"{name}_embedding.linear_q.weight", width, width, scale=1 / math.sqrt(width))
        draw(f"{name}_embedding.linear_q.bias", width, scale=0.1)
        draw(f"{name}_embedding.linear_k.weight", width, signs, scale=1.0)
        draw(f"{name}_embedding.linear_v.weight", width, signs, scale=1.0)
        network(f"{name}_embedding.resblock", bias=False)
    draw("radial_basis_functions._alpha", scale=0.0, middle=0.3)
    orders = torch.arange(count, dtype=torch.float32)
    logarithms = torch.tensor([math.log(math.comb(count - 1, v)) for v in range(count)])
    constants = {"logc": logarithms, "n": count - 1 - orders, "v": orders}
    found |= {f"radial_basis_functions.{name}": value for name, value in constants.items()}
    for number in range(options["num_modules"]):
        near, far = (f"module.{number}.{kind}local_interaction" for kind in ("", "non"))
        for kind in "spd":
            draw(f"{near}.radial_{kind}.weight", width, count, scale=1.5)
        for kind in "xspd":
            network(f"{near}.resblock_{kind}")
        for kind in "pd":
            draw(f"{near}.projection_{kind}.weight", 2 * width, width, scale=0.3 / math.sqrt(width))
        network(f"{near}.resblock")
        for kind in "qkv":
            network(f"{far}.resblock_{kind}")
        draw(f"{far}.attention.omega", width, width, scale=1.0)
        for kind in ("pre", "post"):
            residual(f"module.{number}.residual_{kind}.stack.0")
        network(f"module.{number}.resblock")
    draw("output.weight", 2, width, scale=0.01)
    for term, constants, shape in (("zbl_repulsion", SCREENING, (1,)), ("d4_dispersion", DISPERSION, ())):
        if options[f"use_{term}"]:
            for name, value in constants.items():
                draw(f"{term}_energy._{name}", *shape, scale=0.0, middle=math.log(math.expm1(value)))
    return found


def write_file(path, options, parameters):
    torch.save({"state_dict": parameters, **options}, path)
    return path
