"""``kill -9`` at random moments of every long command, which is then run again until its end.

    python -m benchmarks.robustness.kills --kills 100

The table counts, for each command, what was durable at a kill and is missing or different at the end (lost), units of
work that were done more often than in a run without kills (steps of the optimizer, calls of the potential,
calculations, batches of 512 frames; a kill costs what was under way), and finished runs whose results differ in a bit
from those of the run without kills. The kills fall evenly on the time that such a run takes, from its first
instruction.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))


def start(function, *arguments) -> int:
    """Call a function in a fork; the process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        function(*arguments)
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def finish(child: int) -> None:
    """Wait for a fork.

    Raises:
        RuntimeError: It failed.
    """
    if status := os.waitpid(child, 0)[1]:
        raise RuntimeError(f"a job ended with status {status}")


def ask(function, folder: Path):
    """What a function says of a folder, from a fork: this process computes nothing and can go on forking."""
    answer = folder.parent / "answer.json"
    finish(start(lambda: answer.write_text(json.dumps(function(folder)))))
    return json.loads(answer.read_text())


def kill_at_random(job, folder: Path, seconds: float, rng: random.Random) -> bool:
    """Begin or continue the job, and kill it after a random part of the time; whether it was still running."""
    child, end = start(job.run, folder), time.monotonic() + rng.uniform(0, seconds)
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            if status:
                raise RuntimeError(f"a job ended with status {status}")
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def torture(job, kills: int, folder: Path, rng: random.Random) -> tuple[int, ...]:
    """Kills, finished runs, units of work in one, units done again, things lost, runs with other bits."""
    whole = folder / "whole"
    whole.mkdir()
    begun = time.monotonic()
    finish(start(job.run, whole))
    seconds, units, truth = time.monotonic() - begun, len((whole / "work").read_bytes()), ask(job.result, whole)
    done = finished = again = lost = other = 0
    while done < kills:
        own, kept = folder / "killed", {}
        own.mkdir()
        while done < kills and kill_at_random(job, own, seconds, rng):
            done += 1
            now = ask(job.kept, own)
            lost += sum(now.get(name) != value for name, value in kept.items())
            kept = now
        finish(start(job.run, own))
        finished += 1
        final = ask(job.kept, own)
        lost += sum(final.get(name) != value for name, value in kept.items())
        again += len((own / "work").read_bytes()) - units
        other += ask(job.result, own) != truth
        shutil.rmtree(own)
    return done, finished, units, again, lost, other


def main() -> int:
    """Print a table; the exit status is 1 if something was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", help="those whose names begin with one of these, by commas")
    options = parser.parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the helper that cleans up after the killed processes of a pool
    from benchmarks.robustness.jobs import JOBS, write_frames

    titles = ("kills", "runs", "units a run", "done again", "lost", "other bits", "seconds")
    print(f"{'command':<22}" + "".join(f"{title:>13}" for title in titles))
    bad = 0
    for name, job in JOBS.items():
        if options.jobs and not name.startswith(tuple(options.jobs.split(","))):
            continue
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            finish(start(write_frames, Path(folder, "frames.xyz")))
            counts = torture(job, options.kills, Path(folder), random.Random(f"{name}/{options.seed}"))
        bad += counts[-1] + counts[-2]
        seconds = f"{time.monotonic() - begun:13.0f}"
        print(f"{name:<22}" + "".join(f"{count:>13}" for count in counts) + seconds, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
