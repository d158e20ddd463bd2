"""A whole training run as one validated specification, and its YAML form."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from atnn.basis import MATRICES
from atnn.errors import SpecificationError, suggest
from atnn.model import PRESETS, ModelSpecification
from atnn.model.registry import Representation
from atnn.quantities import QUANTITIES
from atnn.reading.origins import Origin
from atnn.reading.raw import STATED_BY_KEY
from atnn.representations import REANNSpecification
from atnn.specification import Names, Specification, parse, read_yaml

Part = float | int | str | tuple[str, ...]
Weight = float | tuple[float, float]
QuantityName = Annotated[str, Names(QUANTITIES, MATRICES)]
LabelName = Annotated[str, Names(QUANTITIES, MATRICES, STATED_BY_KEY)]
UnitName = Annotated[str, Names(("energy", "length", "time"), QUANTITIES, MATRICES, STATED_BY_KEY)]


class DataConfig(Specification):
    """The files with the labelled structures, and how the structures are split."""

    train: str | tuple[str, ...] = Field(description="file or files with the training structures")
    validation: Part = Field(default=0.1, description="fraction or number of the training structures, or a file")
    test: Part | None = Field(default=None, description="fraction or number of the training structures, or a file")
    isolated: str | None = Field(default=None, description="file with isolated atoms, for reference energies")
    keys: dict[LabelName, str | None] = Field(
        default={}, description="quantity -> key in the files, if it is not recognised"
    )
    units: dict[UnitName, str] = Field(default={}, description="units of files whose format states none")
    format: str | None = Field(default=None, description="name of the format, if the file name does not tell it")
    dipole_origin: Origin | None = Field(
        default=None, description="point that dipoles of ions are taken about in the files; none is an error for ions"
    )

    @field_validator("validation", "test")
    @classmethod
    def _is_part(cls, part: Part | None) -> Part | None:
        if (isinstance(part, float) and not 0 < part < 1) or (isinstance(part, int) and part < 1):
            raise ValueError("give a fraction between 0 and 1, a number of structures, or a file")
        return part


class ModelConfig(ModelSpecification):
    """The model to train; its elements are those of the data and those named here."""

    elements: tuple[int, ...] = Field(
        default=(), description="atomic numbers of elements beyond those of the data; only with networks: shared"
    )
    representation: Representation = Field(
        default=parse(REANNSpecification, {}), description="name, or name and settings"
    )
    preset: Literal["accurate", "fast"] | None = Field(
        default=None, description="name of a ready-made model, instead of representation and hidden"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("preset") is None:
            return values
        if not isinstance(values["preset"], str) or values["preset"] not in PRESETS:
            raise ValueError(f"{suggest(values['preset'], PRESETS)}known presets: {', '.join(PRESETS)}")
        chosen = PRESETS[values["preset"]]
        both = sorted(set(chosen) & set(values))
        if both:
            raise ValueError(f"the preset {values['preset']} sets {', '.join(both)}: give one or the other")
        return {name: value for name, value in values.items() if name != "preset"} | chosen

    @model_validator(mode="after")
    def _has_networks(self) -> ModelConfig:
        if self.elements and self.networks == "element":
            raise ValueError(
                "elements beyond those of the data need networks: shared, because the network of an element without "
                "data cannot be trained"
            )
        return self

    def specification(self, numbers: Iterable[int]) -> ModelSpecification:
        """Make the specification of the model for data with these elements."""
        fields = {name: getattr(self, name) for name in ModelSpecification.model_fields if name != "elements"}
        return ModelSpecification(elements=tuple(sorted({*numbers, *self.elements})), **fields)


class TrainingConfig(Specification):
    """How to train.

    Errors are divided by the spread of the training labels, so that equal weights give quantities equal importance.
    """

    epochs: int = Field(default=300, ge=1, description="passes over the training data")
    batch_size: int = Field(default=8, ge=1, description="structures per step")
    batch_atoms: int | None = Field(default=None, ge=1, description="atoms per step, instead of batch_size")
    learning_rate: float = Field(default=4e-3, gt=0, description="largest learning rate")
    final_learning_rate: float = Field(default=1e-5, gt=0, description="learning rate at the end")
    schedule: Literal["cosine", "plateau"] = Field(default="cosine", description="how the learning rate decays")
    patience: int = Field(
        default=20, ge=1, description="plateau: validations without improvement before the rate is halved"
    )
    warmup: int = Field(default=100, ge=0, description="steps of linear warm-up")
    weights: dict[QuantityName, Weight] = Field(
        default={"energy": (0.01, 0.1), "forces": 1.0}, min_length=1, description="quantity -> weight, or [first, last]"
    )
    loss: Literal["mse", "huber"] = Field(default="mse", description="squared error, or linear beyond one spread")
    dipole_modulo: bool = Field(
        default=False,
        description="compare dipoles of cells modulo e times the lattice vectors",
    )
    optimizer: Literal["muon", "adam"] = Field(
        default="muon",
        description="muon: orthogonal steps for matrices of the representation, Adam for the rest; adam: Adam for all",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="weight decay of matrices, decoupled from the gradient")
    ema: float = Field(
        default=0.995, ge=0, lt=1, description="decay of the average of the weights, which is validated and saved"
    )
    clip: float = Field(default=10.0, gt=0, description="largest norm of the gradient")
    dtype: Literal["float32", "float64"] = Field(default="float32", description="floating-point type of the weights")
    compile: bool = Field(
        default=False, description="compile the training step (about half a minute, then 1.5 to 2 times faster)"
    )
    validate_every: int = Field(default=1, ge=1, description="epochs between validations")
    early_stopping: int | None = Field(
        default=None, ge=1, description="validations without improvement before the run ends"
    )
    max_minutes: float | None = Field(
        default=None, gt=0, description="minutes after which the run stops; it can be resumed"
    )
    checkpoint_seconds: float = Field(default=30.0, ge=0, description="minimum time between checkpoints [s]")

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, Weight]) -> dict[str, Weight]:
        unknown = sorted(set(weights) - set(QUANTITIES))
        if unknown:
            hints = "".join(suggest(name, QUANTITIES) for name in unknown)
            raise ValueError(f"unknown quantities {', '.join(unknown)}; {hints}known: {', '.join(QUANTITIES)}")
        if any(min(w) < 0 if isinstance(w, tuple) else w < 0 for w in weights.values()):
            raise ValueError("weights must not be negative")
        return weights

    @model_validator(mode="after")
    def _decays(self) -> TrainingConfig:
        if self.final_learning_rate > self.learning_rate:
            raise ValueError("final_learning_rate must not exceed learning_rate")
        return self


class PretrainConfig(Specification):
    """A cheap method whose surface is learned before that of the data."""

    method: str = Field(default="GFN2-xTB", description="method that labels, as for `atnn label`")
    structures: int = Field(default=1500, ge=10, description="number of structures to label")
    temperatures: tuple[Annotated[float, Field(gt=0, le=1e5)], ...] = Field(
        default=(400.0, 800.0, 1200.0), min_length=1, description="temperatures of the dynamics that samples them [K]"
    )
    timestep: float = Field(default=0.5, gt=0, description="step of this dynamics [fs]")
    spacing: int = Field(default=40, ge=1, description="steps between two structures of a trajectory")
    workers: int = Field(default=1, ge=0, description="processes that label")
    training: TrainingConfig = Field(
        default=TrainingConfig(), description="keys of training that differ from those of the run"
    )


class Seeds(Specification):
    """Separate seeds, each used instead of the seed of the run."""

    split: int | None = Field(default=None, ge=0, lt=2**63, description="seed of the split of the data")
    weights: int | None = Field(default=None, ge=0, lt=2**63, description="seed of the initial weights")
    order: int | None = Field(default=None, ge=0, lt=2**63, description="seed of the order of the training structures")


class RunConfig(Specification):
    """A training run: the whole YAML file."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    start: str | None = Field(default=None, description="file of a model to continue from")
    pretrain: PretrainConfig | None = Field(
        default=None, description="a cheap method to learn from first, e.g. {method: GFN2-xTB}"
    )
    output: str = Field(default="run", description="folder for everything that the run writes")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of the split, the weights and the order of the data")
    seeds: Seeds = Field(default=Seeds(), description="separate seeds for these three, e.g. {weights: 1}")

    @model_validator(mode="after")
    def _begins_once(self) -> RunConfig:
        if self.start is not None and self.pretrain is not None:
            raise ValueError("`start` and `pretrain` both give a model to begin with: give one or the other")
        return self

    def seed_of(self, what: Literal["split", "weights", "order"]) -> int:
        """Seed of the split of the data, of the initial weights, or of the order of the training structures."""
        own = getattr(self.seeds, what)
        return self.seed if own is None else own


def load_config(path: str | Path) -> RunConfig:
    """Read a run from a YAML file; ``$NAME`` in its paths is replaced by the environment variable.

    Raises:
        SpecificationError: The file has a syntax error, an unknown key (the message names the nearest known one), or a
            value out of range.
    """
    return expand_paths(parse(RunConfig, read_yaml(path), where=str(path)), str(path))


def expand_paths(config: RunConfig, where: str) -> RunConfig:
    """Replace the environment variables in the paths of a run.

    Raises:
        SpecificationError: A variable is not set; the message names ``where``.
    """

    def expand(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(expand(item) for item in value)
        if not isinstance(value, str):
            return value
        path = os.path.expanduser(os.path.expandvars(value))
        if "$" in path:
            raise SpecificationError(
                f"unset variable in {value!r}", where=where, remedy="export it, or write out the path"
            )
        return path

    data = config.data
    changes = {name: expand(getattr(data, name)) for name in ("train", "validation", "test", "isolated")}
    paths = {"start": expand(config.start), "output": expand(config.output)}
    return config.model_copy(update={"data": data.model_copy(update=changes), **paths})


def commented_example() -> str:
    """Write the text of a YAML file with every key, its default and its meaning."""
    lines = ["# A training run. Only data.train is needed; every other line shows its default."]
    lines += ["# Editors complete and check the keys: see `atnn schema --help`.", "data:"]
    lines += _list_fields(DataConfig, {"train": "training.xyz"})
    lines += ["model:", *_list_fields(ModelConfig, {"representation": "reann", "charges": "network"})]
    lines += ["training:", *_list_fields(TrainingConfig, {})]
    for name in ("start", "pretrain", "output", "seed", "seeds"):
        field = RunConfig.model_fields[name]
        lines.append(f"{name}: {_format_yaml(field.default)}  # {field.description}")
    return "\n".join(lines) + "\n"


def _list_fields(specification: type[Specification], given: dict[str, Any]) -> list[str]:
    return [
        f"  {name}: {_format_yaml(given.get(name, field.default))}  # {field.description}"
        for name, field in specification.model_fields.items()
    ]


def _format_yaml(value: Any) -> str:
    if isinstance(value, Specification):
        return _format_yaml(value.model_dump())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_format_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_format_yaml(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".") + ("" if value % 1 else ".0")
    return "null" if value is None else str(value)
