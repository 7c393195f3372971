"""`make bench`: time and memory against the number of services, as a table and as JSON; passes or fails nothing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys

from tests.bench.measure import Sample, measure
from tests.bench.subjects import available
from tests.tiers import namespace_refusal

COLUMNS = {
    "start": "Start: exec of the init to the last service's first line, ms",
    "query": "One query for the state of all services, as a command, ms",
    "stop": "Stop: SIGTERM to the end of the init, ms",
    "memory": "Memory of the init and its helpers with the services running (PSS), MiB",
}


def median(samples: list[Sample], field: str) -> float | None:
    """Return the median of one field, or None where it was not measured."""
    values = [value for value in (getattr(sample, field) for sample in samples) if value is not None]
    return statistics.median(values) if values else None


def cell(samples: list[Sample] | None, field: str) -> str:
    """Return one cell of a table."""
    value = median(samples, field) if samples else None
    if value is None:
        return "-"
    return f"{value / 1024:.1f}" if field == "memory" else f"{value * 1000:,.1f}"


def table(results: dict[str, dict[int, list[Sample]]], sizes: list[int]) -> str:
    """Return one table a column of `COLUMNS`, in Markdown."""
    parts = []
    for field, title in COLUMNS.items():
        rows = {name: [cell(row.get(size), field) for size in sizes] for name, row in results.items()}
        rows = {name: cells for name, cells in rows.items() if set(cells) != {"-"}}
        if rows:
            parts += ["", title, "", f"| | {' | '.join(map(str, sizes))} |", "|---" * (len(sizes) + 1) + "|"]
            parts += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(parts)


def main() -> None:
    """Measure all that is here, interleaved: a slow moment of the machine hits everybody."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--sizes", default="1,10,100,1000", help="numbers of services (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--only", default="", help="names of what to measure, separated by commas (default: all)")
    parser.add_argument("--json", help="write all samples to this file")
    arguments = parser.parse_args()
    if reason := namespace_refusal():
        sys.exit(f"cannot measure: {reason}")

    sizes = [int(word) for word in arguments.sizes.split(",")]
    only = set(filter(None, arguments.only.split(",")))
    subjects = [subject for subject in available() if not only or subject.name in only]
    results: dict[str, dict[int, list[Sample]]] = {subject.name: {} for subject in subjects}
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    for number in range(arguments.rounds):
        for size in sizes:
            for subject in subjects:
                if size <= subject.most:
                    print(f"round {number + 1}: {subject.name}, {size}", file=sys.stderr)
                    results[subject.name].setdefault(size, []).append(measure(subject, size))

    print(", ".join(f"{key}: {value}" for key, value in machine.items()) + f"; medians of {arguments.rounds}")
    print(table(results, sizes))
    if arguments.json:
        rows = {
            name: {size: [dataclasses.asdict(sample) for sample in samples] for size, samples in row.items()}
            for name, row in results.items()
        }
        with open(arguments.json, "w") as file:
            json.dump({"machine": machine, "results": rows}, file, indent=2)


main()
