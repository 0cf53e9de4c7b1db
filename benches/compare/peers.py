"""The peers' engines, each in a process of its own, warm, in their best fair form.

    peers.py make DIRECTORY        makes DuckDB's, chDB's and SQLite's databases from the NDJSON files there
    peers.py duckdb|chdb|sqlite3 DIRECTORY    answers questions: see benches/reports.rs

What all of them get beforehand: ids as small integers instead of text, one row for each (day, user, team, service) with activity, in
order of the day, and sessions joined already. DuckDB uses two threads and prepared statements, SQLite an index that covers the question.
"""

import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

Question = dict[str, Any]
Engine = Callable[[Question], Callable[[], Any]]

MAKE_DUCKDB = """
create table usage as select cast(substr(user_id, 6) as uinteger) as "user", cast(substr(team_id, 6) as usmallint) as team,
    cast(substr(service, 9) as utinyint) as service, session_id, timestamp as ts
from read_json('{directory}/usage.ndjson', format = 'newline_delimited', columns = {{user_id: 'varchar', team_id: 'varchar',
    service: 'varchar', session_id: 'varchar', timestamp: 'timestamp'}});
create table activity as select distinct cast(ts as date) as day, "user", team, service from usage order by day, "user";
create table session as select cast(ts as date) as day, "user" from (
    select "user", min(ts) as ts from usage where session_id is not null group by "user", session_id
    union all
    select "user", ts from (select "user", ts, lag(ts) over (partition by "user" order by ts) as before from usage
        where session_id is null) where before is null or ts - before > interval 30 minutes
) order by day;
drop table usage;
create index activity_user on activity ("user");
create table event as select timestamp as ts, cast(severity as severity) as severity, cast(substr(service, 9) as utinyint) as service, message
from read_json('{directory}/events.ndjson', format = 'newline_delimited', columns = {{timestamp: 'timestamp', severity: 'varchar',
    service: 'varchar', message: 'varchar'}}) order by ts;
checkpoint;
"""

FIGURES = "select count(distinct {user}) from activity where day between {start} and {end}{where}"
GROUPS_BY_TEAM = "select count(distinct {user}) as n from activity where day between {start} and {end} group by team order by n desc, team limit 100"
SERIES = "select count(distinct {user}) from activity where day between {start} and {end} group by day order by day"
GROUPS_BY_USER = 'select count(*) as n from session where day between {start} and {end} group by "user" order by n desc, "user" limit 100'
PAGE = "select ts, severity, service, message from event{where} order by ts desc limit 100 offset {offset}"


def make(directory: Path) -> None:
    makers = {"peers.duckdb": _make_duckdb, "peers.chdb": _make_chdb, "peers.sqlite3": _make_sqlite3}
    for name, maker in makers.items():
        path = directory / name
        if not path.exists():
            draft = directory / f"draft-{os.getpid()}-{name}"
            try:
                maker(directory, draft)
            except Exception as why:  # Whatever a peer dislikes costs its own rows only.
                print(f"peers: cannot make {name}: {why}", file=sys.stderr)
                for left in directory.glob(f"{draft.name}*"):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            else:
                draft.rename(path)


def _make_duckdb(directory: Path, path: Path) -> None:
    import duckdb

    connection = duckdb.connect(str(path), config={"threads": 2})
    connection.execute("create type severity as enum ('info', 'warning', 'error')")
    for statement in MAKE_DUCKDB.format(directory=directory).split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.close()


def _activity(directory: Path) -> str:
    """The table of activity as CSV, for the other peers."""
    import duckdb

    file = directory / "activity.csv"
    if not file.exists():
        connection = duckdb.connect(str(directory / "peers.duckdb"), read_only=True)
        connection.execute(
            f"copy (select * from activity order by day, \"user\") to '{file}.draft' (format csv, header false)"
        )
        os.rename(f"{file}.draft", file)
    return str(file)


def _make_chdb(directory: Path, path: Path) -> None:
    from chdb.session import Session

    session = Session(str(path))
    session.query("create database if not exists peers")
    session.query(
        "create table peers.activity (day Date, user UInt32, team UInt16, service UInt8) engine = MergeTree order by day"
    )
    columns = "day Date, user UInt32, team UInt16, service UInt8"
    session.query(f"insert into peers.activity select * from file('{_activity(directory)}', CSV, '{columns}')")
    session.query("optimize table peers.activity final")
    session.close()


def _make_sqlite3(directory: Path, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table activity (day integer, user integer, team integer, service integer)")
    with open(_activity(directory)) as lines:
        rows = (line.rstrip().split(",") for line in lines)
        values = (
            (date.fromisoformat(day).toordinal(), int(user), int(team), int(service))
            for day, user, team, service in rows
        )
        connection.executemany("insert into activity values (?, ?, ?, ?)", values)
    connection.execute("create index activity_day on activity (day, user, team, service)")
    connection.commit()
    connection.execute("analyze")
    connection.close()


def duckdb_engine(directory: Path) -> Engine:
    import duckdb

    connection = duckdb.connect(str(directory / "peers.duckdb"), read_only=True, config={"threads": 2})
    prepared: dict[str, str] = {}

    def statement(sql: str, arguments: list[str]) -> str:
        """Prepared once, then only executed."""
        if sql not in prepared:
            prepared[sql] = f"q{len(prepared)}"
            connection.execute(f"prepare {prepared[sql]} as {sql}")
        return f"execute {prepared[sql]}({', '.join(arguments)})"

    def engine(question: Question) -> Callable[[], Any]:
        sql, arguments = _duckdb_sql(question)
        text = statement(sql, arguments)
        return lambda: connection.execute(text).fetchall()

    return engine


def _duckdb_sql(question: Question) -> tuple[str, list[str]]:
    if question["ask"] == "page":
        severity = question.get("severity")
        offset = (question["page"] - 1) * 100
        where = f" where severity = '{severity}'" if severity else ""
        return PAGE.format(where=where, offset=offset), []
    arguments = [f"date '{question['start']}'", f"date '{question['end']}'"]
    if question["ask"] == "series":
        return SERIES.format(user='"user"', start="$1", end="$2"), arguments
    if question["ask"] == "groups":
        sql = GROUPS_BY_USER if question["by"] == "user" else GROUPS_BY_TEAM
        return sql.format(user='"user"', start="$1", end="$2"), arguments
    where = ""
    for name, column in (("user", '"user"'), ("team", "team"), ("service", "service")):
        if question.get(name):
            arguments.append(question[name].rsplit("-", 1)[1].lstrip("0") or "0")
            where += f" and {column} = ${len(arguments)}"
    return FIGURES.format(user='"user"', start="$1", end="$2", where=where), arguments


def chdb_engine(directory: Path) -> Engine:
    from chdb.session import Session

    session = Session(str(directory / "peers.chdb"))
    session.query("set max_threads = 2")

    def engine(question: Question) -> Callable[[], Any]:
        sql = f"select uniqExact(user) from peers.activity where day between '{question['start']}' and '{question['end']}'"
        return lambda: [[int(str(session.query(sql, "CSV")))]]

    return engine


def sqlite3_engine(directory: Path) -> Engine:
    connection = sqlite3.connect(f"file:{directory / 'peers.sqlite3'}?mode=ro", uri=True)
    connection.execute("pragma cache_size = -1000000")
    sql = FIGURES.format(user="user", start="?1", end="?2", where="")

    def engine(question: Question) -> Callable[[], Any]:
        days = [date.fromisoformat(question[name]).toordinal() for name in ("start", "end")]
        return lambda: connection.execute(sql, days).fetchall()

    return engine


def answer(question: Question, rows: list[Any]) -> Any:
    """In the form of the product's answer, as far as the peer has computed it."""
    if question["ask"] == "page":
        return len(rows)
    counts = [row[0] for row in rows]
    return counts[0] if question["ask"] == "figures" else counts


def serve(engine: Engine) -> None:
    for line in sys.stdin:
        question = json.loads(line)
        try:
            work = engine(question)
            begun = time.perf_counter_ns()
            rows = work()
            micros = (time.perf_counter_ns() - begun) / 1e3
            found: dict[str, Any] = {"micros": micros, "answer": answer(question, rows)}
        except Exception as why:  # Told to whoever asks: other questions may go well.
            found = {"failed": f"{type(why).__name__}: {why}"}
        print(json.dumps(found), flush=True)


def main() -> None:
    what, directory = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        make(directory)
    else:
        serve({"duckdb": duckdb_engine, "chdb": chdb_engine, "sqlite3": sqlite3_engine}[what](directory))


if __name__ == "__main__":
    main()
