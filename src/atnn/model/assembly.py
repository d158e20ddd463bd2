"""This module builds the parts of a model from its specification and finds the order of their evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from atnn.errors import SpecificationError
from atnn.functions import Species
from atnn.model.registry import OUTPUTS, ModelSpecification
from atnn.parts import SUMMED, Design, Part
from atnn.physics import ChargeInField
from atnn.quantities import QUANTITIES
from atnn.representations import Conditioned, Directed, InField


def build_representation(specification: ModelSpecification, species: Species) -> Any:
    """Build the representation. It takes in charge, spin and field by itself, or they are appended to its features.

    The field is appended before charge and spin, whose shares then depend on it.
    """
    given, conditions = specification.representation, specification.depends_on
    own = conditions & frozenset(given.conditions)
    built = given.build(species, own)
    if "field" in conditions - own:
        tensorial = len(built.channels) > 2
        built = InField(built if tensorial else Directed(built, 2, species))
    electrons = conditions - own - {"field"}
    return Conditioned(built, electrons, species) if electrons else built


def add_degrees(representation: Any, parts: Mapping[str, Part], species: Species) -> Any:
    """Give the representation the degrees of features that the parts read and it lacks."""
    degree = max(part.degree or 0 for part in parts.values())
    return representation if degree < len(representation.channels) else Directed(representation, degree, species)


def build_parts(specification: ModelSpecification, species: Species, channels: tuple[int, ...]) -> dict[str, Part]:
    """Build the parts by name: those of the outputs, the source of charges included, and those of the terms.

    Raises:
        SpecificationError: A part needs a value that no part gives, or two parts give the same value.
    """
    design = specification.design(species, channels)
    learned = {output: OUTPUTS[output](design) for output in specification.outputs}
    terms = [(term.name, term.parts(design)) for term in specification.terms]
    _check_outputs(learned)
    groups = [*learned.items(), *terms]
    if specification.depends_on >= ChargeInField.conditions and _gather_given(_list(learned)) & SUMMED:
        groups.append(("the electric field", {"charge_in_field": ChargeInField()}))
    parts = _join(groups)
    _check_givers(parts)
    _check_needs(parts, design)
    if terms and not SUMMED & _gather_given(_list(learned)):
        raise SpecificationError(
            "physics terms are added to a learned energy, but the model learns no energy",
            where="model.terms",
            remedy="add energy to outputs",
        )
    source = specification.charges.name
    if source not in {"network", *parts}:
        raise SpecificationError(
            f"{source} makes charges, but no output of the model uses them",
            where="model.charges",
            remedy="add charges or dipole to outputs",
        )
    return parts


def _check_outputs(learned: Mapping[str, dict[str, Part]]) -> None:
    for output, group in learned.items():
        given = _gather_given(group.values())
        if output not in given and not (output == "energy" and "atomic_energies" in given):
            raise SpecificationError(
                f"the parts of the output {output} give {', '.join(sorted(given)) or 'nothing'}, not {output}",
                where="model.outputs",
                remedy=f"name the output after what it gives, or let a part give {output}",
            )
        if output not in QUANTITIES:
            raise SpecificationError(
                f"the table of quantities has no row {output}",
                where="model.outputs",
                remedy=f'add one: QUANTITIES["{output}"] = Quantity("{output}", ...)',
            )


def _join(groups: Iterable[tuple[str, dict[str, Part]]]) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    owners: dict[str, str] = {}
    for owner, group in groups:
        for name, part in group.items():
            if name in parts:
                raise SpecificationError(
                    f"{owners[name]} and {owner} both bring the part {name}",
                    where="model",
                    remedy="remove one of them; the dipole includes the charges",
                )
            parts[name], owners[name] = part, owner
    return parts


def _list(groups: Mapping[str, dict[str, Part]]) -> list[Part]:
    return [part for group in groups.values() for part in group.values()]


def _gather_given(parts: Iterable[Part]) -> frozenset[str]:
    return frozenset().union(*(part.gives for part in parts))


def _check_givers(parts: Mapping[str, Part]) -> None:
    givers: dict[str, str] = {}
    for name, part in parts.items():
        for value in sorted(part.gives - SUMMED):
            if value in givers:
                raise SpecificationError(
                    f"{givers[value]} and {name} both give {value}", where="model", remedy="remove one of them"
                )
            givers[value] = name


def _check_needs(parts: Mapping[str, Part], design: Design) -> None:
    given = _gather_given(parts.values())
    for name, part in parts.items():
        if missing := part.needs - given:
            raise SpecificationError(
                f"{name} needs {', '.join(sorted(missing))}, which no part of the model gives",
                where="model",
                remedy=f"add {_name_outputs(missing, design) or 'an output that gives it'} to outputs",
            )


def _name_outputs(missing: Collection[str], design: Design) -> str:
    """Name the outputs that give all missing values."""
    return " or ".join(
        output for output, build in sorted(OUTPUTS.items()) if _gather_given(build(design).values()).issuperset(missing)
    )


def order_parts(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Order the names of the parts so that each stands after all parts that give what it needs.

    A part stands as late as the others allow. Where several parts may stand last, those of the outputs do, because a
    readout starts from the energy that the physics terms do not explain.

    Raises:
        SpecificationError: Parts need each other.
    """
    left, ordered = list(parts), []
    while left:
        free = [name for name in left if not any(parts[name].gives & parts[other].needs for other in left)]
        if not free:
            raise SpecificationError(f"{', '.join(left)} need each other", where="model", remedy="remove one of them")
        last = max(free, key=lambda name: (name in OUTPUTS, left.index(name)))
        ordered.append(last)
        left.remove(last)
    return tuple(reversed(ordered))


def choose_parts(parts: Mapping[str, Part], order: Collection[str], values: Collection[str]) -> tuple[str, ...]:
    """Choose the parts that the values depend on, in their order."""
    wanted, needed = set(values), []
    for name in reversed(tuple(order)):
        if parts[name].gives & wanted:
            wanted |= parts[name].needs
            needed.append(name)
    return tuple(reversed(needed))


def find_dependences(
    parts: Mapping[str, Part], order: Collection[str], of_features: Collection[str]
) -> dict[str, set[str]]:
    """Find the names of :data:`atnn.stated.STATED` that each value depends on.

    Args:
        parts: The parts by name.
        order: Their names in the order of evaluation.
        of_features: Names on which the features of the representation depend.
    """
    found: dict[str, set[str]] = {}
    for name in order:
        part = parts[name]
        own = set(part.conditions) | (set() if part.degree is None else set(of_features))
        for value in part.needs:
            own |= found[value]
        for value in part.gives:
            found[value] = found.get(value, set()) | own
    return found


def refuse_derivatives_given_twice(depends: Mapping[str, Collection[str]]) -> None:
    """Refuse models that read a quantity from features and also have it as a derivative by the field.

    Args:
        depends: Quantity that the parts give -> names of :data:`atnn.stated.STATED` that it depends on.

    Raises:
        SpecificationError: There is such a quantity, for instance a dipole beside an energy that depends on the field.
    """
    for name in depends:
        rule = QUANTITIES[name].derivative
        if rule is not None and rule.by == "field" and "field" in depends.get(rule.of, ()):
            raise SpecificationError(
                f"the {rule.of} depends on the electric field, so the {name} is its derivative; a {name} of its own "
                "would contradict it",
                where="model.outputs",
                remedy=f"remove {name} from outputs: the model gives it and learns it all the same",
            )
