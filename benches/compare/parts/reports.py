"""Summaries, groups and log pages in process, beside DuckDB, chDB and SQLite: the same questions by turns, and the same answers."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from aims import RANGES, SCOPES
from asking import Asked, Question
from bench import Bench
from programs import Failed
from questions import DIFFERENT, SCOPE_FILTERS, question
from rows import Measured

# Questions a round: so many to ours, and to a peer until it has taken so long.
OURS = 15
PEERS_US = 300_000
PEERS_MAX = 15


@dataclass(frozen=True)
class Kind:
    """What is asked of one row; `nth` numbers the question."""

    key: str
    peer: str
    ask: Callable[[int], Question]


def measure(bench: Bench) -> None:
    kinds = _kinds(bench.plan.deep_page)
    with ExitStack() as stack:
        ours = stack.enter_context(Asked([bench.programs.bench("reports"), "--ask", str(bench.product.database)]))
        peers = _peers(bench, stack)
        for round_number in range(bench.plan.rounds):
            for kind in kinds:
                if kind.peer in peers and kind.key not in bench.missing:
                    try:
                        _one_round(bench, kind, ours, peers[kind.peer], round_number)
                    except Failed as why:
                        bench.missing[kind.key] = str(why)
                        bench.found.pop(kind.key, None)


def _kinds(deep_page: int) -> list[Kind]:
    kinds = []
    for span in RANGES:
        for scope in SCOPES:
            kinds.append(Kind(f"summary.{scope}.{span}", "duckdb", _asks("figures", span, **SCOPE_FILTERS[scope])))
        kinds.append(Kind(f"repeated.{span}", "duckdb", _asks_again(question("figures", span, DIFFERENT - 1))))
        kinds.append(Kind(f"chdb.{span}", "chdb", _asks("figures", span)))
        kinds.append(Kind(f"sqlite.{span}", "sqlite3", _asks("figures", span)))
        kinds.append(Kind(f"users.{span}", "duckdb", _asks("groups", span, by="user")))
        kinds.append(Kind(f"teams.{span}", "duckdb", _asks("groups", span, by="team")))
    kinds.append(
        Kind("series.3y", "duckdb", lambda nth: {**question("series", "3y", 0), "end": f"2025-12-{1 + nth % 31:02}"})
    )
    kinds.append(Kind("page.first", "duckdb", _asks_again({"ask": "page", "page": 1})))
    # Neighbouring pages: they cost the same.
    kinds.append(Kind("page.deep", "duckdb", lambda nth: {"ask": "page", "page": deep_page - nth}))
    kinds.append(
        Kind("page.deep.info", "duckdb", lambda nth: {"ask": "page", "page": deep_page - nth, "severity": "info"})
    )
    return kinds


def _asks(ask: str, span: str, **filters: str) -> Callable[[int], Question]:
    return lambda nth: question(ask, span, nth, **filters)


def _asks_again(asked: Question) -> Callable[[int], Question]:
    return lambda _: asked


def _peers(bench: Bench, stack: ExitStack) -> dict[str, Asked]:
    """Those that are there; the rows of the others are told as missing."""
    script = str(Path(__file__).parents[1] / "peers.py")
    prefixes = {"duckdb": "", "chdb": "chdb", "sqlite3": "sqlite"}
    peers = {}
    for name, prefix in prefixes.items():
        if (bench.plan.data / f"peers.{name}").exists():
            peers[name] = stack.enter_context(Asked([sys.executable, script, name, str(bench.plan.data)]))
        else:
            bench.missing[prefix] = f"{name} or its database is not there"
    return peers


def _one_round(bench: Bench, kind: Kind, ours: Asked, peer: Asked, round_number: int) -> None:
    """Ours, then the peer; the first question of each is to warm it and to compare their answers."""
    questions = [kind.ask(round_number * (OURS + 1) + nth) for nth in range(OURS + 1)]
    our_answer, its_answer = ours.ask(questions[0])[1], peer.ask(questions[0])[1]
    our_times = [ours.ask(asked)[0] for asked in questions[1:]]
    its_times: list[float] = []
    while len(its_times) < PEERS_MAX and sum(its_times) < PEERS_US:
        its_times.append(peer.ask(questions[1 + len(its_times)])[0])
    measured = bench.found.setdefault(kind.key, Measured([]))
    measured.ours.append(median(our_times))
    measured.reference.append(median(its_times))
    if our_answer != its_answer:
        measured.is_right = False
        measured.note = f"answers differ: {str(our_answer)[:60]} and {str(its_answer)[:60]}"
