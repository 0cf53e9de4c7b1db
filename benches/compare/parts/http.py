"""The same over HTTP on one connection, beside a bare hyper that answers the same bytes, request by request. Both servers and
whoever asks share one core."""

import json
from statistics import median
from typing import Any

from aims import ORDERS, RANGES, SCOPES, log_filters
from bench import Bench
from plan import Plan
from programs import on_one_core, run_json
from questions import DIFFERENT, SCOPE_FILTERS, path
from rows import Measured
from server import Server

# At least 500 of each kind in all; with those that warm up, so many in all that no path comes twice.
REQUESTS = 120
# Of the same day's run on another machine: it cannot be installed from a package index.
VICTORIA_US = {"newest": 77_000.0, "deep300k": 244_000.0}


def measure(bench: Bench) -> None:
    kinds = _summaries() | _pages(bench.plan)
    file = bench.scratch("http") / "kinds.json"
    file.write_text(json.dumps([{"name": name, "paths": paths} for name, paths in kinds.items()]))
    with Server(bench.programs, bench.product.database, on_one_core) as server:
        command = [bench.programs.bench("wire"), "--url", server.url, "--key", server.key, "--kinds", str(file)]
        found = run_json([*command, "--requests", str(REQUESTS), "--rounds", str(bench.plan.rounds)], preexec_fn=on_one_core)
    timed = {kind["name"]: kind for kind in found}
    for name in _summaries():
        bench.found[name] = _beside_bare(timed[name])
    summaries = [bench.found[f"http.{scope}.{span}"].ours for scope in SCOPES for span in RANGES]
    bench.found["http.slowest"] = Measured(max(summaries, key=median))
    bench.found["newest.bare"] = _beside_bare(timed["pages.none.desc.first"])
    for name, earlier in VICTORIA_US.items():
        kind = "pages.none.desc.first" if name == "newest" else name
        bench.found[name] = Measured(_medians(timed[kind], "ours"), [earlier])
    for name in log_filters():
        for order in ORDERS:
            first, deep = timed[f"pages.{name}.{order}.first"], timed[f"pages.{name}.{order}.deep"]
            bench.found[f"pages.{name}.{order}"] = Measured(_medians(deep, "ours"), _medians(first, "ours"))


def _summaries() -> dict[str, list[str]]:
    kinds = {}
    for scope in SCOPES:
        for span in RANGES:
            kinds[f"http.{scope}.{span}"] = [path(span, nth, **SCOPE_FILTERS[scope]) for nth in range(DIFFERENT)]
    for span in RANGES:
        kinds[f"http.repeated.{span}"] = [path(span, 0)]
    for name, more in {"series": "&interval=day", "users": "&group_by=user", "teams": "&group_by=team"}.items():
        kinds[f"http.{name}.3y"] = [path("3y", nth, more) for nth in range(DIFFERENT)]
    return kinds


def _pages(plan: Plan) -> dict[str, list[str]]:
    """Page 1 and the deep page of every filter in both orders; neighbouring pages cost the same."""
    kinds = {"deep300k": [f"/logs/system-events?page={min(3_000, plan.deep_page) + nth}" for nth in range(10)]}
    for name, (_, parameters, limit) in log_filters().items():
        for order in ORDERS:
            start = f"/logs/system-events?limit={limit}&order={order}{parameters}"
            kinds[f"pages.{name}.{order}.first"] = [f"{start}&page=1"]
            kinds[f"pages.{name}.{order}.deep"] = [f"{start}&page={plan.deep_page - nth}" for nth in range(10)]
    return kinds


def _beside_bare(kind: dict[str, Any]) -> Measured:
    return Measured(_medians(kind, "ours"), _medians(kind, "bare"), note=f"{kind['bytes']:,} bytes")


def _medians(kind: dict[str, Any], whose: str) -> list[float]:
    return [turn[whose][0] for turn in kind["rounds"]]
