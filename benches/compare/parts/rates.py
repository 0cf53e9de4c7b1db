"""Requests a second under load, beside a bare hyper in the same round."""

import json
import random
import subprocess
import urllib.request
from datetime import date, timedelta

from bench import Bench
from questions import FIRST, path
from rows import Measured
from server import Server
from wrk import rate

CONNECTIONS = 32
# Each may ask a million times a minute.
KEYS = 8
# So many that none comes back soon.
DIFFERENT = 50_000


def measure(bench: Bench) -> None:
    kinds = _kinds(bench.plan.users)
    with Server(bench.programs, bench.product.database) as server:
        keys = [server.make_key() for _ in range(KEYS)]
        bare, bare_url = _start_bare(bench, server, kinds["same"][0])
        try:
            for _ in range(bench.plan.rounds):
                for name, paths in kinds.items():
                    rates = [_rate(bench, url, keys, paths) for url in (server.url, bare_url)]
                    measured = bench.found.setdefault(f"rate.{name}", Measured([]))
                    measured.ours.append(rates[0])
                    measured.reference.append(rates[1])
        finally:
            bare.terminate()
            bare.wait()


def _kinds(users: int) -> dict[str, list[str]]:
    chance = random.Random(1)

    def ranges() -> str:
        start = FIRST + timedelta(days=chance.randrange(1_000))
        end = min(start + timedelta(days=chance.randrange(365)), date(2025, 12, 31))
        return f"/reports/usage-summary?start_date={start}&end_date={end}"

    def team() -> str:
        return f"team-{chance.randrange(200):03}"

    return {
        "same": [path("30d", 0)],
        "team": [path("30d", 0, team=team()) for _ in range(DIFFERENT)],
        "user": [path("30d", 0, user=f"user-{chance.randrange(users):06}") for _ in range(DIFFERENT)],
        "range": [ranges() for _ in range(DIFFERENT)],
        "team-range": [f"{ranges()}&team_id={team()}" for _ in range(DIFFERENT)],
    }


def _start_bare(bench: Bench, server: Server, path: str) -> tuple[subprocess.Popen[str], str]:
    request = urllib.request.Request(server.url + path, headers={"X-API-Key": server.key})
    with urllib.request.urlopen(request) as answer:
        body = answer.read().decode()
    file = bench.scratch("rates") / "answer.json"
    file.write_text(json.dumps([body]))
    bare = subprocess.Popen([bench.programs.bench("wire"), "--bare", str(file)], stdout=subprocess.PIPE, text=True)
    assert bare.stdout
    return bare, bare.stdout.readline().strip()


def _rate(bench: Bench, url: str, keys: list[str], paths: list[str]) -> float:
    return rate(url, keys, paths, bench.scratch("rates"), CONNECTIONS, bench.plan.seconds)
