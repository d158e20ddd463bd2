"""This working tree against a commit: speed of the same jobs, alternately on one core, and numbers of the same files.

    python -m benchmarks.speed.against COMMIT [--rounds 15] [--starts 3] [--jobs inference/eann,numbers] [--limit 1.05]

The commit gets a temporary worktree, each side a process of its own, and the commit's code writes the models. Seconds
are those of the processor, so that other work on the machine counts little. The ratio is the median over rounds in
which both sides ran one after the other. Two processes of the same code differ by up to 3 %, because their memory is
laid out differently, so the rounds are shared among several starts. Writes against.json and two tables.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import systems

NUMBERS = "numbers"
TARGET = 0.25  # seconds of a block
WARM = 3  # blocks before the first that counts
TOLERANCE = 1e-10  # of float64 results, relative to the largest value of the quantity


class Side:
    """A worker process with the source of one commit."""

    def __init__(self, name: str, source: Path, folder: Path, core: int):
        self.name, self._errors = name, folder / f"{name}.log"
        environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        # With one cache for both, one side would compile and the other load, which leaves their memory different.
        environment |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(folder / f"{name}-cache")}
        command = [sys.executable, "-m", "benchmarks.speed.against_worker", source, folder, str(core)]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=systems.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, *request: Any) -> Any:
        """The worker's answer.

        Raises:
            SystemExit: The worker has ended; with the last it wrote.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} failed at {request}:\n{self._errors.read_text()[-3000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Comparison:
    """A commit's tree, and the files that its code wrote for both sides.

    Args:
        commit: The commit.
        folder: Empty folder to work in.
        core: Core of the processor to run on.
    """

    def __init__(self, commit: str, folder: Path, core: int):
        self.tree, self._folder, self._core = folder / "tree", folder, core
        git("worktree", "add", "--detach", str(self.tree), commit)

    def write(self) -> None:
        """Write the files, in a process of its own: one that did it before would run 5 % slower afterwards."""
        with contextlib.closing(Side("files", self.tree / "src", self._folder, self._core)) as side:
            side.ask("write")

    @contextlib.contextmanager
    def start(self, reverse: bool = False) -> Iterator[list[Side]]:
        """Fresh processes of the commit and of this working tree, or of both in the reverse order."""
        sources = [("commit", self.tree / "src"), ("here", systems.ROOT / "src")]
        with contextlib.ExitStack() as stack:
            yield [
                stack.enter_context(contextlib.closing(Side(name, source, self._folder, self._core)))
                for name, source in (reversed(sources) if reverse else sources)
            ]

    def close(self) -> None:
        """Remove the tree."""
        git("worktree", "remove", "--force", str(self.tree))


def git(*arguments: str) -> str:
    """Output of a git command in this repository."""
    command = ["git", "-C", str(systems.ROOT), *arguments]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {found.stderr}")
    return found.stdout.strip()


def measure(sides: Sequence[Side], job: str, rounds: int) -> list[dict[str, float]]:
    """Seconds per call of both sides in each round."""
    for side in sides:
        side.ask("start", job)
        for _ in range(WARM):
            seconds, _ = side.ask("block", 1)
    calls = max(1, round(TARGET / max(seconds, 1e-6)))
    times = []
    for index in range(rounds):
        # The order alternates, so that a machine that grows slower or faster favors neither.
        order = sides if index % 2 == 0 else sides[::-1]
        times.append({side.name: side.ask("block", calls)[0] / calls for side in order})
    for side in sides:
        side.ask("end")
    return times


def summarise(job: str, unit: str, factor: float, times: list[dict[str, float]]) -> dict[str, Any]:
    """One row of the table of speed; seconds times ``factor`` are in ``unit``."""
    ratios = [pair["here"] / pair["commit"] for pair in times]
    lower, median, upper = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
    medians = {name: factor * statistics.median(pair[name] for pair in times) for name in ("commit", "here")}
    return {"job": job, "unit": unit, **medians, "ratio": median, "lower": lower, "upper": upper, "ratios": ratios}


def compare(sides: Sequence[Side], name: str) -> dict[str, Any]:
    """One row of the table of numbers: the largest relative difference of each quantity over all systems."""
    before, now = (side.ask("evaluate", name) for side in sides)
    differences: dict[str, float] = {}
    for system, quantities in before.items():
        for quantity, values in quantities.items():
            old, new = np.array(values), np.array(now[system].get(quantity, np.nan))
            same = old.shape == new.shape and bool(np.isfinite(old).all() and np.isfinite(new).all())
            difference = float(np.abs(new - old).max() / max(np.abs(old).max(), 1e-300)) if same else float("inf")
            differences[quantity] = max(difference, differences.get(quantity, 0.0))
    return {"model": name, "differences": differences}


def results(comparison: Comparison, wanted: tuple[str, ...], rounds: int, starts: int) -> tuple[list, list]:
    """Rows of both tables, for the jobs whose names begin as wanted."""
    with comparison.start() as sides:
        jobs = sides[1].ask("jobs")
        models = sides[1].ask("models") if NUMBERS.startswith(wanted) else []
        numbers = [compare(sides, model) for model in models]
    times: dict[str, list] = {job: [] for job in jobs if job.startswith(wanted)}
    if not times and not numbers:
        raise SystemExit("no such job; there are:\n" + "\n".join([*jobs, NUMBERS]))
    for start in range(starts if times else 0):
        with comparison.start(reverse=start % 2 == 1) as sides:
            for job, found in times.items():
                found += measure(sides, job, math.ceil(rounds / starts))
                print(start + 1, speed_table([summarise(job, *jobs[job], found)]).splitlines()[-1], flush=True)
    return [summarise(job, *jobs[job], found) for job, found in times.items()], numbers


def speed_table(rows: list[dict[str, Any]]) -> str:
    """Markdown of the speeds."""
    lines = ["| job | unit | commit | here | here/commit | quartiles |", "|---|---|--:|--:|--:|--:|"]
    lines += [
        f"| {r['job']} | {r['unit']} | {r['commit']:.4g} | {r['here']:.4g} | {r['ratio']:.3f} "
        f"| {r['lower']:.3f} to {r['upper']:.3f} |"
        for r in rows
    ]
    return "\n".join(lines)


def number_table(rows: list[dict[str, Any]]) -> str:
    """Markdown of the differences."""
    names = list(dict.fromkeys(name for row in rows for name in row["differences"]))
    lines = ["| model | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
    for row in rows:
        found = [f"{row['differences'][name]:.0e}" if name in row["differences"] else "-" for name in names]
        lines.append(f"| {row['model']} | " + " | ".join(found) + " |")
    return "\n".join(lines)


def failures(speeds: list[dict[str, Any]], numbers: list[dict[str, Any]], limit: float) -> list[str]:
    """What is slower than allowed, and what gives other numbers."""
    found = [f"{row['job']} takes {row['ratio']:.3f} times as long" for row in speeds if row["ratio"] > limit]
    for row in numbers:
        wrong = [name for name, difference in row["differences"].items() if not difference <= TOLERANCE]
        found += [f"{row['model']}: {', '.join(wrong)} differ by more than {TOLERANCE:g}"] if wrong else []
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="what to compare with")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each side and job")
    parser.add_argument("--starts", type=int, default=3, help="pairs of processes that share the rounds")
    parser.add_argument("--jobs", default="", help="beginnings of the names of jobs, separated by commas; all if empty")
    parser.add_argument("--limit", type=float, help="fail where a ratio exceeds this, or numbers differ")
    arguments = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the worktree must be removed
    versions = {"commit": git("rev-parse", arguments.commit), "here": git("describe", "--always", "--dirty")}
    print(f"{systems.machine()}, core {core}\n{versions}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="against-"))).resolve()
        comparison = stack.enter_context(contextlib.closing(Comparison(arguments.commit, folder, core)))
        comparison.write()
        speeds, numbers = results(comparison, tuple(arguments.jobs.split(",")), arguments.rounds, arguments.starts)
    content = {"machine": systems.machine(), **versions, "speeds": speeds, "numbers": numbers}
    Path(__file__).with_name("against.json").write_text(json.dumps(content, indent=1) + "\n")
    for rows, table in ((speeds, speed_table), (numbers, number_table)):
        print(f"\n{table(rows)}" if rows else "", flush=True)
    if arguments.limit is not None and (found := failures(speeds, numbers, arguments.limit)):
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
