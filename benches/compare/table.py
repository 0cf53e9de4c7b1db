"""The table of a run: as JSON, as Markdown, and in README.md between two markers."""

import json
import os
import platform
import re
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rows import ALONE, FASTER, SHARE, Measured, Row, number, ratio, verdict

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
HEAD = "| what | reference | ours | reference's | ratio | aim | met |\n|---|---|--:|--:|--:|--:|---|"
RATIO = (
    "The ratio is how many times as fast ours is (x faster), its share of the reference's rate (%), or its cost over the "
    "reference's (x)."
)


def line(row: Row, measured: Measured | None, why_missing: str, when: str) -> dict[str, Any]:
    """A row as JSON."""
    known: dict[str, Any] = {**{name: value for name, value in asdict(row).items() if name != "aim"}, "when": when}
    known["aim"] = asdict(row.aim) if row.aim else None
    if measured is None or not measured.ours:
        return {**known, "missing": why_missing or "its part did not come so far", "met": None}
    return {**known, **asdict(measured), "ratio": ratio(row, measured), "met": verdict(row, measured)}


def markdown(rows: list[Row], lines: dict[str, dict[str, Any]], about: str) -> str:
    """Rows with an aim, then those for information."""
    with_aim = [_cells(row, lines[row.key]) for row in rows if row.aim]
    others = [_cells(row, lines[row.key]) for row in rows if not row.aim]
    return "\n".join([_preface(rows, lines, about), "", HEAD, *with_aim, "", "For information:", "", HEAD, *others, ""])


def brief(rows: list[Row], lines: dict[str, dict[str, Any]], about: str) -> str:
    """Rows with an aim; of each family the worst."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row.aim:
            families.setdefault(row.family or row.key, []).append(row)
    worst = [(min(family, key=lambda row: _margin(row, lines[row.key])), len(family)) for family in families.values()]
    cells = [_cells(row, lines[row.key], f"; worst of {count}" if count > 1 else "") for row, count in worst]
    return "\n".join([_preface(rows, lines, about), "", HEAD, *cells, ""])


def _preface(rows: list[Row], lines: dict[str, dict[str, Any]], about: str) -> str:
    aims = [lines[row.key]["met"] is True for row in rows if row.aim]
    figures = "Figures are medians over rounds, with the lowest and highest."
    return f"{about} {sum(aims)} of {len(aims)} aims met. {figures} {RATIO}"


def _margin(row: Row, found: dict[str, Any]) -> float:
    """What has not been measured is worst of all, then what is wrong."""
    if "missing" in found or row.aim is None:
        return -1
    value = median(found["ours"]) if row.kind == ALONE else found["ratio"]
    return row.aim.margin(value) if found["is_right"] and value is not None else 0


def _cells(row: Row, found: dict[str, Any], more: str = "") -> str:
    aim = row.aim.text(_ratio_unit(row)) if row.aim and row.kind != SHARE else ""
    if row.aim and row.kind == SHARE:
        aim = f"at least {100 * (row.aim.at_least or 0):.0f} %"
    if "missing" in found:
        return f"| {row.what}{more} | {row.reference} | not measured: {_plain(found['missing'])} | | | {aim} | |"
    ours, reference = _spread(found["ours"], row.unit), _spread(found["reference"], row.unit)
    met = {True: "yes", False: "**no**", None: ""}[found["met"]]
    what = row.what + (f" ({_plain(found['note'])})" if found["note"] else "") + more
    return f"| {what} | {row.reference} | {ours} | {reference} | {_ratio_text(row, found['ratio'])} | {aim} | {met} |"


def _spread(values: list[float], unit: str) -> str:
    if not values:
        return ""
    middle = f"{number(median(values))} {unit}"
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}..{number(max(values))})"


def _ratio_text(row: Row, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.0f} %" if row.kind == SHARE else number(value) + _ratio_unit(row)


def _ratio_unit(row: Row) -> str:
    return {FASTER: "x faster", ALONE: f" {row.unit}"}.get(row.kind, "x")


def _plain(text: str) -> str:
    """Fit for a cell."""
    return re.sub(r"\s+", " ", text).replace("|", "/")[:200]


def write(home: Path, rows: list[Row], lines: dict[str, dict[str, Any]], about: str) -> None:
    for name, text in (
        ("result.json", json.dumps({"about": about, "rows": [lines[row.key] for row in rows]}, indent=1) + "\n"),
        ("result.md", markdown(rows, lines, about)),
    ):
        draft = home / f"draft-{name}"
        draft.write_text(text)
        draft.replace(home / name)


def earlier(home: Path) -> dict[str, dict[str, Any]]:
    """Rows of the run before, by their key."""
    file = home / "result.json"
    return {row["key"]: row for row in json.loads(file.read_text())["rows"]} if file.exists() else {}


def update_readme(readme: Path, table: str) -> None:
    put_between(readme, BEGIN, END, table)


def put_between(file: Path, begin: str, end: str, text: str) -> None:
    """In place of what stands between two markers of a page."""
    page = file.read_text()
    if begin not in page or end not in page:
        raise ValueError(f"{file} has no lines {begin} and {end}")
    before, rest = page.split(begin, 1)
    file.write_text(f"{before}{begin}\n{text}{end}{rest.split(end, 1)[1]}")


def machine() -> str:
    """Processor, cores, memory and system."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = found[1].strip() if found else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"
