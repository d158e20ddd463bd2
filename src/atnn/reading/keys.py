"""Which key of a file is which quantity.

Nothing is guessed. A key is either declared or one of the names in the table of quantities. Where two keys fit, the
user decides.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from atnn.errors import DataError, suggest
from atnn.quantities import QUANTITIES
from atnn.reading.raw import DIPOLE_ORIGIN, INDEX_KEYS, MOVE_MASK, STATED_BY_KEY, Aliases, RawFrame, list_keys
from atnn.stated import ADSORBATE

log = logging.getLogger("atnn")


# Forces are derivatives of the free energy where electrons are smeared, so it is read where a file gives both.
_PREFERRED = {"energy": "free_energy"}


class Keys:
    """Finds the keys of quantities and stated numbers, chunk by chunk, and counts those that nobody reads.

    Args:
        declared: Quantity (or ``charge``, ``spin``, ``electric_field``) -> key in the file; None leaves it unread.
        aliases: Keys of the format beside those of the table.
        where: The file, for messages.

    Attributes:
        chosen: Name -> key in the file, of all that was found.
        unread: Key -> number of frames with it, of all that is not read.

    Raises:
        DataError: A declared name is none of the table.
    """

    def __init__(self, declared: Mapping[str, str | None] | None, aliases: Aliases, where: str):
        self.declared, self.aliases, self.where = dict(declared or {}), aliases, where
        self.chosen: dict[str, str] = {}
        self.unread: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        known = [*QUANTITIES, *STATED_BY_KEY]
        for name in self.declared:
            if name not in known:
                remedy = f"{suggest(name, known)}known: {', '.join(known)}"
                raise DataError(f"no quantity is called {name!r}", where=where, remedy=remedy)

    def search(self, frames: Sequence[RawFrame]) -> None:
        """Settle the key of each quantity that these frames carry for the first time.

        Raises:
            DataError: Two keys fit one quantity, or one key fits two.
        """
        present = Counter(key for frame in frames for key in {*frame.info, *frame.arrays})
        self._seen.update(present)
        info = {key for frame in frames for key in frame.info}
        arrays = {key for frame in frames for key in frame.arrays}
        for name in (*QUANTITIES, *STATED_BY_KEY):
            self._settle(name, info, arrays)
        self._refuse_shared_keys()
        used = {*self.chosen.values(), MOVE_MASK, DIPOLE_ORIGIN, ADSORBATE, *INDEX_KEYS}
        used |= {row.unit_key for row in QUANTITIES.values() if row.declared}
        self.unread.update({key: count for key, count in present.items() if key not in used})

    def check_declared(self) -> None:
        """Compare the declared keys with those of the whole file.

        Raises:
            DataError: A declared key is in no frame.
        """
        for name, key in self.declared.items():
            if key is not None and not self._seen[key]:
                raise DataError(
                    f"no frame has the key {key!r} declared for {name}",
                    where=self.where,
                    remedy="keys that exist: " + (", ".join(sorted(self._seen)) or "none"),
                )

    def _settle(self, name: str, info: set[str], arrays: set[str]) -> None:
        if name in self.declared:
            key = self.declared[name]
            found = [key] if key is not None and key in info | arrays else []
        else:
            taken = {key for other, key in self.declared.items() if other != name}
            here = arrays if _is_per_atom(name) else info
            found = [key for key in list_keys(name, self.aliases) if key in here and key not in taken]
            preferred = _PREFERRED.get(name)
            if preferred in found and set(found) <= {name, preferred}:
                if len(found) > 1 and name not in self.chosen:
                    log.info(
                        "%s: the key %r is read, which belongs to the forces, and not %r", self.where, preferred, name
                    )
                found = [preferred]
        if name in self.chosen and found and self.chosen[name] not in found:
            found = [self.chosen[name], *found]
        elif name in self.chosen and len(found) <= 1:
            return
        if len(found) > 1:
            raise DataError(
                f"{name} may be any of the keys {', '.join(map(repr, found))}",
                where=self.where,
                remedy=f'declare which one: keys={{"{name}": "{found[0]}"}}',
            )
        if found:
            self.chosen[name] = found[0]

    def _refuse_shared_keys(self) -> None:
        """Rows that users add may name a key of another row; a value is then not both."""
        owners: dict[tuple[str, bool], str] = {}
        for name, key in self.chosen.items():
            if name in self.declared:
                continue
            other = owners.setdefault((key, _is_per_atom(name)), name)
            if other != name:
                raise DataError(
                    f"the key {key!r} may be {other} or {name}",
                    where=self.where,
                    remedy=f'declare which one: keys={{"{name}": "{key}"}}',
                )


def _is_per_atom(name: str) -> bool:
    return name in QUANTITIES and QUANTITIES[name].axis == "atom"
