"""Command lines: one of every command, with an argument that is damaged, missing, given twice or exchanged."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from atnn.cli import app
from atnn.demo import stages
from atnn.errors import LabellingError
from fuzz.mutations import WORDS

BEGUN = "the demo would take minutes from here on"
MD = "md run/model.atnn start.xyz --steps 4 --every 2 --no-compile --temperature 5 --output new.traj --copies 2"
LINES = (
    "init new.yaml",
    "train config.yaml",
    "eval run/model.atnn data.xyz --batch-size 4 --report errors.html",
    "info run/model.atnn",
    MD,
    f"{MD.replace('new', 'langevin')} --integrator langevin --friction 0.01 --outputs forces --seed 3 --timestep 0.2",
    f"{MD.replace('new', 'both')} --format traj",
    "spectrum run.traj --temperature 5 --kind power --resolution 6000 --maximum 4000 --window hann --output s.html",
    "trajectory export run.traj new.xyz --every 2 --structures 0 --format extxyz",
    "modes run/model.atnn start.xyz --output modes.json --report modes.html --isotope D=1 --laser 532 --anharmonic",
    "relax run/model.atnn start.xyz --output relaxed.xyz",
    "label start.xyz --method GFN2-xTB --workers 0 --output labelled.xyz",
    "schema",
    "report run --output report.html",
    *2 * ("demo --molecule water --level xtb --geometries 20 --output demo --seed 1",),
    "data inspect data.xyz --key energy=energy --unit energy=eV --format extxyz",
    "data convert data.xyz --output new.h5 --unit length=Angstrom",
    "data split data.xyz train=0.5 test=0.5 --seed 3 --folder parts",
)
FURTHER = (
    *("--seed", "--output", "--help", "--nonsense", "--temperature", "nan", "-5", "a=x", "a=0.5", "energy=furlong"),
    *("0", "1.5", str(2**70), "config.yaml", "run", "data.xyz", "/dev/null", "/proc/x/y", "none", "x" * 300, "a=1e999"),
    *("../a=0.5", "--format", "--molecule", "20"),
)


def choose(rng: random.Random) -> Any:
    """One command line with one or two words changed."""
    from fuzz.kinds import Damage

    words = rng.choice(LINES).split()
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(words))
        kind = rng.choice(("replace", "replace", "replace", "drop", "repeat", "insert", "exchange"))
        new = rng.choice((*FURTHER, *(word for word in WORDS if "\0" not in word)))
        if kind == "replace":
            words[at] = new
        elif kind == "drop" and len(words) > 1:
            del words[at]
        elif kind == "repeat":
            words.insert(at, words[at])
        elif kind == "insert":
            words.insert(at + 1, new)
        elif kind == "exchange":
            other = rng.randrange(len(words))
            words[at], words[other] = words[other], words[at]
    if "--steps" in words and (at := words.index("--steps") + 1) < len(words) and words[at].isdigit():
        words[at] = words[at][:3]  # a long run is no fault
    if words[0] == "md" and "--no-compile" not in words:
        words.append("--no-compile")  # nor is a compilation, which takes longer than a case may
    Path("value.json").write_text(json.dumps(words))
    return Damage(" ".join(words)[:100])


def use() -> Any:
    """Run the command in this process."""
    if not Path("value.json").exists():
        return None
    with mock.patch.object(stages, "label_data", side_effect=LabellingError(BEGUN)):
        result = CliRunner().invoke(app, json.loads(Path("value.json").read_text()))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code == 2:
        raise UsageError(result.output[-300:])
    return None


class UsageError(Exception):
    """The command line says what is wrong with an argument: as good as an error of atnn."""
