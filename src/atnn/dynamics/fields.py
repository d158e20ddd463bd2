"""Uniform electric fields as functions of time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from atnn.documents import parse_yaml
from atnn.errors import DataError, SpecificationError
from atnn.specification import Specification, chosen_from, parse, read_yaml
from atnn.units import light_speed_cm_per_fs

Component = Annotated[float, Field(ge=-10, le=10)]  # V/Angstrom; atoms are ionised before
Vector = tuple[Component, Component, Component]
FORMS = '"0,0,0.01", "{name: oscillating, amplitude: [0, 0, 0.01], wavenumber: 1600}", or a YAML file with these keys'


@runtime_checkable
class ElectricField(Protocol):
    """A uniform field that depends on time alone. Specifications of one are in :data:`FIELDS`, by name."""

    @property
    def shortest(self) -> float:
        """The shortest time in which it changes [fs]; infinite where it does not."""
        ...

    def at(self, times: Float[Tensor, " structures"]) -> Float[Tensor, "structures 3"]:
        """The field at the time of each structure [V/Angstrom], in double precision."""
        ...


class ConstantField(Specification):
    """``F(t) = A``."""

    name: Literal["constant"] = "constant"
    amplitude: Vector = Field(description="field [V/Angstrom]")

    @property
    def shortest(self) -> float:
        """Infinite: it does not change."""
        return math.inf

    def at(self, times: Float[Tensor, " structures"]) -> Float[Tensor, "structures 3"]:
        """The field at the time of each structure [V/Angstrom]."""
        return _vector(self.amplitude, times).expand(len(times), 3)


class OscillatingField(Specification):
    """``F(t) = A cos(2 pi t / T + phi)`` with the period T = 1 / (c wavenumber)."""

    name: Literal["oscillating"] = "oscillating"
    amplitude: Vector = Field(description="amplitude A [V/Angstrom]")
    wavenumber: float | None = Field(None, gt=0, description="wavenumber [cm^-1]; or give the period")
    period: float | None = Field(None, gt=0, description="period T [fs]; or give the wavenumber")
    phase: float = Field(0.0, description="phase phi at time zero [rad]")

    @model_validator(mode="after")
    def _require_one_frequency(self) -> OscillatingField:
        if (self.wavenumber is None) == (self.period is None):
            raise ValueError("give either the wavenumber [cm^-1] or the period [fs]")
        return self

    @property
    def shortest(self) -> float:
        """The period [fs]."""
        return _period(self.wavenumber, self.period)

    def at(self, times: Float[Tensor, " structures"]) -> Float[Tensor, "structures 3"]:
        """The field at the time of each structure [V/Angstrom]."""
        wave = torch.cos(2 * math.pi / self.shortest * times.double() + self.phase)
        return wave[:, None] * _vector(self.amplitude, times)


class PulsedField(Specification):
    """``F(t) = A exp(-4 ln 2 (t - t0)^2 / w^2) cos(2 pi (t - t0) / T + phi)``.

    Without wavenumber and period it has no oscillation under the envelope.
    """

    name: Literal["pulsed"] = "pulsed"
    amplitude: Vector = Field(description="amplitude A [V/Angstrom]")
    centre: float = Field(description="time t0 of the maximum of the envelope [fs]")
    width: float = Field(gt=0, description="full width w at half maximum of the envelope of the field [fs]")
    wavenumber: float | None = Field(None, gt=0, description="wavenumber [cm^-1]; or give the period, or neither")
    period: float | None = Field(None, gt=0, description="period T [fs]; or give the wavenumber, or neither")
    phase: float = Field(0.0, description="phase phi at the centre [rad]")

    @model_validator(mode="after")
    def _refuse_two_frequencies(self) -> PulsedField:
        if self.wavenumber is not None and self.period is not None:
            raise ValueError("give either the wavenumber [cm^-1] or the period [fs], or neither")
        return self

    @property
    def shortest(self) -> float:
        """Width or period [fs], whichever is shorter."""
        return min(self.width, _period(self.wavenumber, self.period))

    def at(self, times: Float[Tensor, " structures"]) -> Float[Tensor, "structures 3"]:
        """The field at the time of each structure [V/Angstrom]."""
        later = times.double() - self.centre
        wave = torch.exp(-4 * math.log(2) * (later / self.width) ** 2)
        wave = wave * torch.cos(2 * math.pi / _period(self.wavenumber, self.period) * later + self.phase)
        return wave[:, None] * _vector(self.amplitude, times)


FIELDS: dict[str, type[Specification]] = {
    "constant": ConstantField,
    "oscillating": OscillatingField,
    "pulsed": PulsedField,
}


class SummedField(Specification):
    """The sum of several fields."""

    name: Literal["sum"] = "sum"
    fields: tuple[Annotated[Specification, chosen_from(FIELDS, "an electric field")], ...] = Field(
        min_length=1, description="the fields"
    )

    @property
    def shortest(self) -> float:
        """The shortest time of one of them [fs]."""
        return min(_as_field(field).shortest for field in self.fields)

    def at(self, times: Float[Tensor, " structures"]) -> Float[Tensor, "structures 3"]:
        """The field at the time of each structure [V/Angstrom]."""
        return torch.stack([_as_field(field).at(times) for field in self.fields]).sum(0)


FIELDS["sum"] = SummedField
Given = str | Mapping[str, Any] | ElectricField | Sequence[Any]


def make_field(given: Given) -> ElectricField:
    """The field that is described in one of the ways that people write.

    Args:
        given: Three numbers, or the text ``"0,0,0.01"``, for a constant field [V/Angstrom]; the keys of a specification
            of :data:`FIELDS` as a mapping, or as a text in the braces of YAML; the path of a YAML file with these keys;
            or several of all these, which are summed.

    Raises:
        SpecificationError: It is none of these, or a key or number is wrong.
    """
    if isinstance(given, ElectricField):
        return given
    if isinstance(given, str):
        return _make_from_text(given)
    if isinstance(given, Mapping):
        return _parse(given, "electric field")
    if len(given) == 3 and all(isinstance(part, int | float) for part in given):
        return parse(ConstantField, {"amplitude": list(given)}, where="electric field")
    parts = [make_field(part) for part in given]
    if not parts:
        raise SpecificationError("no electric field is given", remedy=f"give {FORMS}")
    return parts[0] if len(parts) == 1 else SummedField(fields=tuple(parts))  # type: ignore[arg-type]


def _make_from_text(text: str) -> ElectricField:
    try:
        if text.lstrip().startswith("{"):
            return _parse(parse_yaml(text, "electric field"), "electric field")
        if Path(text).suffix in (".yaml", ".yml"):
            return _parse(read_yaml(text), text)
        numbers = [float(word) for word in text.split(",")]
    except DataError as error:
        raise SpecificationError(error.what, where=error.where, remedy=f"give {FORMS}") from error
    except ValueError:
        numbers = []
    if len(numbers) != 3:
        raise SpecificationError(f"{text!r:.80} is no electric field", remedy=f"give {FORMS}")
    return parse(ConstantField, {"amplitude": numbers}, where=f"electric field {text}")


def _parse(mapping: Mapping[str, Any], where: str) -> ElectricField:
    holder = parse(SummedField, {"fields": [dict(mapping)]}, where=where)
    return _as_field(holder.fields[0])


def _as_field(specification: Specification) -> ElectricField:
    assert isinstance(specification, ElectricField)
    return specification


def _period(wavenumber: float | None, period: float | None) -> float:
    if wavenumber is not None:
        return 1 / (light_speed_cm_per_fs * wavenumber)
    return math.inf if period is None else period


def _vector(amplitude: Vector, times: Tensor) -> Float[Tensor, "1 3"]:
    return torch.tensor([amplitude], dtype=torch.float64, device=times.device)
