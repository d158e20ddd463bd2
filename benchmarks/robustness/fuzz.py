"""Hostile inputs of every kind: what becomes of them.

    python -m benchmarks.robustness.fuzz --cases 10000

Each case damages one whole input (a file, a folder, Python values, a command line) and uses it as a user would, in a
process with a limit of memory and ten seconds of time. Right are the numbers of the whole input, other numbers from
text that says something else and has no checksum, and an error of atnn. The table counts the rest: foreign exceptions,
deaths of the process, hangs, and other numbers from a format with checksums. The inputs are kept in ``--folder``, each
with the traceback. ``--only KIND-SEED-INDEX`` runs one case in this process and shows its traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

OUTCOMES = ("right", "accepted", "refused", "foreign", "crash", "hang", "wrong")


def main() -> int:
    """Run the cases and print the table; the exit status is 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="those whose names begin with one of these, by commas")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--only", help="name of one case, as in the folder of failures")
    options = parser.parse_args()
    from fuzz.kinds import KINDS
    from fuzz.samples import write_samples
    from fuzz.workers import GOOD, Case, in_child, keep_failure, run_cases

    kinds = [name for name in KINDS if not options.kinds or name.startswith(tuple(options.kinds.split(",")))]
    cases = [Case(kinds[i % len(kinds)], options.seed, i // len(kinds)) for i in range(options.cases)]
    if options.only:
        known = {Case(name, int(options.only.split("-")[-2]), int(options.only.split("-")[-1])) for name in KINDS}
        cases = [case for case in known if case.name == options.only]
    cases.sort(key=lambda case: kinds.index(case.kind))
    results, errors, failed = defaultdict(Counter), Counter(), 0
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        samples, scratch = Path(temporary, "samples"), Path(temporary, "scratch")
        scratch.mkdir()
        in_child(write_samples, samples)
        for case, result in run_cases(cases, samples, scratch):
            results[case.kind][result.outcome] += 1
            errors[result.outcome, result.error] += 1
            if result.outcome not in GOOD:
                failed += 1
                keep_failure(case, result, samples, options.folder)
                last = (result.detail.strip().splitlines() or [""])[-1][:150]
                print(f"{result.outcome}: {case.name}: {result.damage[:80]}: {last}", file=sys.stderr, flush=True)
            if options.only:
                print(result.detail)
    print_table(results, errors, time.perf_counter() - begun)
    return 1 if failed else 0


def print_table(results: dict[str, Counter], errors: Counter, seconds: float) -> None:
    """A row for each kind, and how often each class of errors was raised."""
    titles = ("cases", "right", "other text", "AtnnError", "foreign", "crash", "hang", "silently wrong")
    print(f"{'kind of input':<20}" + "".join(f"{title:>16}" for title in titles))
    total: Counter = Counter()
    for kind, counts in results.items():
        total += counts
        print(f"{kind:<20}{counts.total():>16}" + "".join(f"{counts[name]:>16}" for name in OUTCOMES))
    print(f"{'all':<20}{total.total():>16}" + "".join(f"{total[name]:>16}" for name in OUTCOMES))
    for (outcome, error), count in errors.most_common():
        if error:
            print(f"{outcome:>10} {count:6d} {error}")
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
