"""How far a long run is: a bar on a terminal, plain lines with the time elsewhere, and lines in a log file.

``logging.getLogger("atnn.progress").setLevel("WARNING")`` hides bars and lines; log files are written all the same.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from atnn.errors import DataError

logger = logging.getLogger(__name__)
LOG = "log.txt"  # name of the log file in the folder of a run
FIRST, LONGEST = 5.0, 60.0  # seconds to the first line, and the most between two; short runs need none
_files: list[TextIO] = []  # log files that are open


@contextmanager
def record(path: Path | None) -> Iterator[None]:
    """Append progress, and what the package logs, to a file until the block ends; None records nothing.

    Raises:
        DataError: The file cannot be written.
    """
    if path is None:
        yield
        return
    try:
        stream = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise DataError(
            f"the log cannot be written ({error.strerror})", where=str(path), remedy="make the folder writable"
        ) from error
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    package = logging.getLogger("atnn")
    package.addHandler(handler)
    _files.append(stream)
    try:
        with stream:
            yield
    finally:
        package.removeHandler(handler)
        _files.remove(stream)


class Progress:
    """Shows how much of a run is done, the time that passed, and the time that is left.

    Args:
        what: The run, for example ``training``.
        total: Number of its units.
        done: Number of them that were finished before.
        unit: Name of the unit, for example ``epoch``.
        visible: Whether this process shows anything.
    """

    def __init__(self, what: str, total: int, *, done: int = 0, unit: str, visible: bool = True):
        self.what, self.total, self.done, self.unit = what, total, done, unit
        self._text, self._first = "", done
        shown = visible and total > 0 and logger.level <= logging.INFO
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        texts = TextColumn("{task.fields[text]}", markup=False)
        console = Console(file=sys.stderr)
        terminal = console.is_terminal
        self._bar = Bar(*columns, TimeRemainingColumn(), texts, console=console, disable=not (shown and terminal))
        self._task = self._bar.add_task(f"{what}, {unit}", total=total, completed=done, text="")
        self._lines, self._files, self._spoke = shown and not terminal, visible, False

    def __enter__(self) -> Progress:
        self._begun = time.monotonic()
        self._wait = 1.0 if logger.level == logging.DEBUG else FIRST
        self._due = self._begun + self._wait
        self._bar.start()
        self._write(f"{self.what} begins at {self.unit} {self.done} of {self.total}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        ended = "ends" if error is None else f"was interrupted ({type(error).__name__})"
        line = f"{self.what} {ended} at {self._standing()}"
        self._write(line)
        if self._spoke:
            self._print(line)

    def advance(self, text: str | None = None) -> None:
        """Count one more unit; the text replaces the one shown."""
        self.reach(self.done + 1, text)

    def reach(self, done: int, text: str | None = None) -> None:
        """Tell how many units are done; the text replaces the one shown."""
        self.done, self._text = done, self._text if text is None else text
        self._bar.update(self._task, completed=done, text=self._text)
        now = time.monotonic()
        if now < self._due:
            return
        line = f"{self.what}: {self._standing()}"
        self._write(line)
        if self._lines:
            self._print(line)
            self._spoke = True
        if logger.level != logging.DEBUG:
            self._wait = min(2 * self._wait, LONGEST)
        self._due = now + self._wait

    def _standing(self) -> str:
        passed, new = time.monotonic() - self._begun, self.done - self._first
        parts = [f"{self.unit} {self.done} of {self.total}", f"{_clock(passed)} passed"]
        if new > 0 and self.done < self.total:
            parts.append(f"about {_clock(passed / new * (self.total - self.done))} left")
        return ", ".join(parts) + (f"; {self._text}" if self._text else "")

    def _write(self, line: str) -> None:
        for stream in _files if self._files else ():
            stream.write(f"{_now()} {line}\n")

    def _print(self, line: str) -> None:
        print(f"{_now()} {line}", file=sys.stderr, flush=True)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
