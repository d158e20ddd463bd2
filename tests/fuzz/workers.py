"""Many cases in few processes: each worker is a fork of this process, has a limit of memory, and may die or hang."""

from __future__ import annotations

import json
import os
import random
import resource
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

MEMORY, SECONDS = 4 * 2**30, 10.0  # what one case may take beside what the imports took


class Case(NamedTuple):
    """One damaged input: everything in it follows from these three."""

    kind: str
    seed: int
    index: int

    @property
    def name(self) -> str:
        """A name for a folder."""
        return f"{self.kind.replace(' ', '-')}-{self.seed}-{self.index}"


@dataclass
class Result:
    """What became of a case.

    Attributes:
        outcome: ``right``, ``accepted`` (other text that is as legal), ``refused`` (an error of atnn), ``foreign``,
            ``crash``, ``hang`` or ``wrong`` (other numbers from a format that has checksums).
        error: Class of the error.
        damage: What was done to the input.
        detail: Traceback, or name of the signal.
        seconds: How long it took.
    """

    outcome: str
    error: str = ""
    damage: str = ""
    detail: str = ""
    seconds: float = 0.0


GOOD = ("right", "accepted", "refused")


def run_cases(cases: Sequence[Case], samples: Path, scratch: Path) -> Iterator[tuple[Case, Result]]:
    """Results in order; a worker that died or hung costs its case only."""
    at = 0
    while at < len(cases):
        reader, writer = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reader)
            _work(cases[at:], samples, scratch, writer)
        os.close(writer)
        for result in _listen(reader, worker):
            yield cases[at], result
            at += 1
            if at == len(cases):
                break
        os.close(reader)


def reference(kind: str, samples: Path, scratch: Path) -> str:
    """What comes of the whole sample."""
    from fuzz.kinds import KINDS

    with _copied(kind, samples, scratch):
        return str(KINDS[kind].use())


def _listen(reader: int, worker: int) -> Iterator[Result]:
    buffer, damage, begun = b"", "", time.monotonic()
    while True:
        left = SECONDS - (time.monotonic() - begun)
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            yield Result("hang", damage=damage, seconds=SECONDS)
            return
        data = os.read(reader, 65536)
        if not data:
            status = os.waitpid(worker, 0)[1]
            if os.WIFSIGNALED(status):
                yield Result("crash", signal.Signals(os.WTERMSIG(status)).name, damage)
            elif os.WEXITSTATUS(status):
                yield Result("crash", f"exit {os.WEXITSTATUS(status)}", damage)
            return
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            begun, message = time.monotonic(), json.loads(line)
            if isinstance(message, str):
                damage = message
            else:
                yield Result(**message)


def _work(cases: Sequence[Case], samples: Path, scratch: Path, writer: int) -> None:
    """In the worker: a line with the damage before each case, and one with the result after it."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    whole: dict[str, str] = {}
    status = 0
    try:
        for case in cases:
            if case.kind not in whole:
                whole[case.kind] = reference(case.kind, samples, scratch)
            begun = time.perf_counter()
            result = _run_case(case, samples, scratch, writer, whole[case.kind])
            result.seconds = time.perf_counter() - begun
            os.write(writer, json.dumps(asdict(result)).encode() + b"\n")
    except BaseException:
        traceback.print_exc()
        status = 3
    os._exit(status)


def _run_case(case: Case, samples: Path, scratch: Path, writer: int, whole: str) -> Result:
    from atnn.errors import AtnnError
    from fuzz.commands import UsageError
    from fuzz.kinds import KINDS

    with _copied(case.kind, samples, scratch):
        damage = KINDS[case.kind].damage(random.Random(f"{case.kind}/{case.seed}/{case.index}"))
        os.write(writer, json.dumps(damage.name).encode() + b"\n")
        try:
            found = str(KINDS[case.kind].use())
        except (AtnnError, UsageError) as error:
            return Result("refused", type(error).__name__, damage.name, str(error)[:2000])
        except BaseException as error:
            return Result("foreign", type(error).__name__, damage.name, traceback.format_exc()[-6000:])
    if found == whole:
        return Result("right", damage=damage.name)
    return Result("wrong" if damage.sealed else "accepted", damage=damage.name)


class _copied:
    """A fresh copy of a sample as the current folder."""

    def __init__(self, kind: str, samples: Path, scratch: Path):
        from fuzz.kinds import KINDS

        self.source, self.folder = samples / KINDS[kind].sample, scratch / "case"

    def __enter__(self) -> None:
        self.before = Path.cwd()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.source, self.folder)
        os.chdir(self.folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)


def keep_failure(case: Case, result: Result, samples: Path, folder: Path) -> None:
    """Damage the sample once more and keep it, with what came of it."""
    from fuzz.kinds import KINDS

    target = folder / case.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(samples / KINDS[case.kind].sample, target)
    before = Path.cwd()
    os.chdir(target)
    try:
        KINDS[case.kind].damage(random.Random(f"{case.kind}/{case.seed}/{case.index}"))
    finally:
        os.chdir(before)
    text = [f"{result.outcome} {result.error}", result.damage, result.detail]
    (target / "RESULT.txt").write_text("\n".join(text), errors="replace")


def in_child(function: Callable[..., object], *arguments: object) -> None:
    """Call a function in a fork, so that this process never computes: it could then no longer fork safely.

    Raises:
        RuntimeError: The function failed.
    """
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(f"{function.__name__} failed")
