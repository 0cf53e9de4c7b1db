"""Runs the parts and writes the table. See `benches/compare/run`."""

import argparse
import importlib
import shutil
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import histories
import table
from aims import all_rows
from bench import Bench
from histories import tell
from plan import REPOSITORY, Plan
from programs import Failed, build
from rows import Row

# In this order: `start` opens the large file that `growth` leaves.
PARTS = ["reports", "http", "rates", "mixed", "size", "ingest", "exports", "growth", "start"]
NEED_PRODUCT = {"reports", "http", "rates", "mixed", "size"}


def main() -> int:
    arguments = _arguments()
    plan = Plan(arguments.home.resolve() / ("quick" if arguments.quick else "full"), arguments.quick)
    plan.home.mkdir(parents=True, exist_ok=True)
    wanted = arguments.only or PARTS
    begun = time.monotonic()
    try:
        bench = _prepare(plan, arguments, wanted)
    except Failed as why:
        tell(str(why))
        return 1
    rows = all_rows(plan)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = {} if not arguments.only else table.earlier(plan.home)
    lines = {row.key: lines.get(row.key) or table.line(row, None, "its part has not been run", "") for row in rows}
    for part in wanted:
        _run(bench, part)
        own_rows = [row for row in rows if row.part == part]
        lines |= {
            row.key: table.line(row, bench.found.get(row.key), _why_missing(bench, row), when) for row in own_rows
        }
        table.write(plan.home, rows, lines, _about(plan, lines, when))
    shutil.rmtree(plan.scratch, ignore_errors=True)
    text = (plan.home / "result.md").read_text()
    print(text)
    if arguments.update_readme:
        table.update_readme(REPOSITORY / "README.md", table.brief(rows, lines, _about(plan, lines, when)))
    tell(f"done after {time.monotonic() - begun:.0f} s: {plan.home / 'result.md'} and result.json")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/compare/run", description="Measures analytics beside what somebody would pick instead."
    )
    parts = f"one or more of {', '.join(PARTS)}, parted by commas"
    parser.add_argument("--home", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few minutes: a twentieth of the data; says little of the aims, which are for full size",
    )
    parser.add_argument(
        "--only",
        type=_parts,
        metavar="PART[,PART]",
        help=f"repeat only these parts, and keep the other rows of the run before: {parts}",
    )
    parser.add_argument(
        "--analytics", type=Path, metavar="PROGRAM", help="measure this release binary instead of building one"
    )
    parser.add_argument("--update-readme", action="store_true", help="put the rows with an aim into README.md")
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [part for part in PARTS if part in names]


def _prepare(plan: Plan, arguments: argparse.Namespace, wanted: list[str]) -> Bench:
    """Programs and data. Without programs there is nothing to measure; without data, less."""
    tell("builds the release binary and the benches")
    programs = build(arguments.analytics, plan.home)
    shutil.rmtree(plan.scratch, ignore_errors=True)
    bench = Bench(plan, programs, None, "")
    if NEED_PRODUCT & set(wanted) or "ingest" in wanted:
        histories.make_files(plan, programs)
    if NEED_PRODUCT & set(wanted):
        try:
            if {"reports", "size"} & set(wanted):
                histories.make_peers(plan)
            bench.made = histories.product(plan, programs, anew=not arguments.only)
        except Exception as why:
            bench.why_no_product = f"no database to measure: {why}"
            tell(bench.why_no_product)
    return bench


def _run(bench: Bench, part: str) -> None:
    """What has been found stays found, whatever comes then."""
    tell(f"measures {part}")
    begun = time.monotonic()
    try:
        importlib.import_module(f"parts.{part}").measure(bench)
    except Exception as why:
        traceback.print_exc()
        bench.missing[f"part {part}"] = f"{type(why).__name__}: {why}"
    if part != "growth":
        shutil.rmtree(bench.plan.scratch / part, ignore_errors=True)
    tell(f"{part} took {time.monotonic() - begun:.0f} s")


def _why_missing(bench: Bench, row: Row) -> str:
    """What was said of the row itself, of rows whose keys begin like its own, or of its part."""
    named = [name for name in bench.missing if name and row.key.startswith(name)]
    fitting = sorted(named, key=len) + [name for name in (f"part {row.part}", "") if name in bench.missing]
    return bench.missing[fitting[0]] if fitting else ""


def _about(plan: Plan, lines: dict[str, dict[str, Any]], when: str) -> str:
    of_before = sorted({line["when"] for line in lines.values() if line["when"] not in ("", when)})
    size = "A quick run: aims are for full size." if plan.quick else "A full run."
    mixed = f" Some rows are of earlier runs ({', '.join(of_before)})." if of_before else ""
    return f"{size} {when}, {table.machine()}.{mixed}"


if __name__ == "__main__":
    sys.exit(main())
