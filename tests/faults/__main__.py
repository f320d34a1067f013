"""Injects faults into the commands, and writes what was survived.

    make faults N=50
    PYTHONPATH=tests python -m faults --number=50 --seed=1 --cases=ner,corpus
    PYTHONPATH=tests python -m faults --cases=ner --fault=kill:17:0

With `--record`, what a case survived replaces what docs/faults.json has of it, when the
case has ended; the page docs/reliability.md shows its table. Faults that were not
survived are added to tests/faults/kept.json: later runs inject them first. `--again`
injects only those of docs/faults.json that were not survived then, and records what
became of them.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from faults import cases, harness
from faults.harness import Bench, BrokenError, Fault, Server

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).with_name("kept.json")
RECORD = ROOT / "docs" / "faults.json"
PAGE = ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- faults: begin -->", "<!-- faults: end -->"


def kept() -> dict[str, list[str]]:
    """The faults that were once not survived, by case."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def _keep(case: str, fault: Fault) -> None:
    found = kept()
    if str(fault) not in found.setdefault(case, []):
        found[case].append(str(fault))
        KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def table(record: dict) -> str:
    """The table of the page: a row per command, a column per kind of fault."""
    found = [(name, record[name]) for name in cases.CASES if name in record]
    kinds = [
        kind
        for kind in harness.KINDS
        if any(kind in each["survived"] for _, each in found)
    ]
    rows = ["| command | changes of files | " + " | ".join(kinds) + " | not survived |"]
    rows.append("|---" * (len(kinds) + 3) + "|")
    for name, each in found:
        counts = [each["survived"].get(kind, 0) for kind in kinds]
        cells = [str(count) if count else "" for count in counts]
        bad = len(each["broken"])
        rows.append(f"| {name} | {each['operations']} | {' | '.join(cells)} | {bad} |")
    return "\n".join((_BEGIN, *rows))


def write(case: str, found: dict) -> None:
    """Puts what a case survived into the record, and the table into the page."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record[case] = found
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    text = PAGE.read_text()
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    PAGE.write_text(f"{before}{table(record)}\n{_END}{after}")


def _faults(bench: Bench, options: argparse.Namespace) -> list[Fault]:
    if options.fault:
        return [Fault.parse(each) for each in options.fault]
    old = [Fault.parse(each) for each in kept().get(bench.case.name, [])]
    # Some come after the end of the command: then others are tried.
    drawn = bench.draw(2 * options.number, options.seed, tuple(options.kinds))
    return old + drawn


def _case(
    name: str, folder: Path, server: Server, options: argparse.Namespace, log
) -> int:
    """Returns 1 if a fault of a case was not survived."""
    try:
        bench = Bench(cases.CASES[name], folder, server)
    except BrokenError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    found = _run(bench, options, log)
    if options.record:
        write(name, found)
    return int(bool(found["broken"]))


def _run(bench: Bench, options: argparse.Namespace, log) -> dict:
    survived, unreached, broken = Counter(), Counter(), []
    faults = _faults(bench, options)
    if options.again:
        found = json.loads(RECORD.read_text())[bench.case.name]
        survived, unreached = Counter(found["survived"]), Counter(found["not_reached"])
        faults = [Fault.parse(each["fault"]) for each in found["broken"]]
    for fault in faults:
        is_enough = survived.total() + len(broken) >= options.number
        if is_enough and not options.again:
            break
        begin = time.monotonic()
        try:
            outcome = bench.inject(fault)
        except BrokenError as error:
            outcome = f"BROKEN {' '.join(str(error).split())[-600:]}"
            broken.append({"fault": str(fault), "problem": outcome})
            if not options.fault:
                _keep(bench.case.name, fault)
        else:
            (survived if outcome == "survived" else unreached)[fault.kind] += 1
        seconds = time.monotonic() - begin
        line = f"{bench.case.name}: {fault}: {outcome} ({seconds:.1f} s)"
        print(line, file=log, flush=True)
        print(line, flush=True)
    return {
        "seed": options.seed,
        "operations": bench.reference.operations,
        "seconds": round(bench.reference.seconds, 1),
        "survived": survived,
        "not_reached": unreached,
        "broken": broken,
    }


def main() -> int:
    """Returns 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--number", type=int, default=50, help="faults per command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", default=",".join(cases.CASES))
    parser.add_argument("--kinds", default=",".join(harness.KINDS))
    parser.add_argument("--fault", action="append", help="kind:at:seed, as logged")
    parser.add_argument("--again", action="store_true", help="what was not survived")
    parser.add_argument("--light", action="store_true", help="for cases of data alone")
    parser.add_argument("--log", type=Path, default=Path("faults.log"))
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    names = options.cases.split(",")
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as name,
        options.log.open("a") as log,
    ):
        folder = Path(name)
        library = harness.injector(folder)
        if library is None:
            print("error: the faults need a C compiler", file=sys.stderr)
            return 2
        server = Server(folder, library, is_light=options.light)
        try:
            return max(_case(name, folder, server, options, log) for name in names)
        finally:
            server.close()


if __name__ == "__main__":
    sys.exit(main())
