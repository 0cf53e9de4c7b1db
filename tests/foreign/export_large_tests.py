"""More rows than a sheet of a workbook holds, each compared with what was sent."""

import functools
import json
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import csv_readers
import duckdb
import polars
from exports import Reporter, import_files
from polars.testing import assert_frame_equal
from stage import EVERYTHING, Failure, until_we_die
from workbook import EVENT_COLUMNS, check_package

NAME = "large export:"
ROWS = 1_100_000
SHEET_ROWS_MAX = 1_048_576
TIME = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
HERE = Path(__file__).parent
READ_S = 900
_LOCK = threading.Lock()


def every_row_is_in_the_csv_once_and_in_order(stage):
    database, sent = _sent()
    export = Reporter(stage, database).export("system-events", "csv", raw=True, **TIME)
    assert export.job["rows"] == ROWS, export.job
    assert_frame_equal(csv_readers.polars_frame(export.file), polars.read_parquet(sent).select(EVENT_COLUMNS))
    found, wanted = _digests(csv_readers.duckdb_table(export.file), f"read_parquet('{sent}')")
    assert found == wanted, f"duckdb finds {found}, not {wanted}"


def every_row_is_in_the_workbook_once_and_in_order(stage):
    database, sent = _sent()
    export = Reporter(stage, database).export("system-events", "xlsx", **TIME)
    assert export.job["rows"] == ROWS, export.job
    check_package(export.file)
    # A program of its own: it is a minute's work, and threads of one Python share a processor.
    command = until_we_die([sys.executable, "-B", HERE / "large_workbook.py", export.file, sent])
    ended = subprocess.run(command, capture_output=True, text=True, timeout=READ_S)
    if ended.returncode != 0:
        raise Failure(ended.stdout + ended.stderr)
    rows = json.loads(ended.stdout)
    # Each sheet has a header of its own.
    assert list(rows) == ["Events", "Events 2"] and max(rows.values()) < SHEET_ROWS_MAX, rows
    assert sum(rows.values()) == ROWS, rows


def _digests(*tables):
    """Of each table how many rows it has, and a digest that depends on every cell and its row's place."""
    cells = ", ".join(f"coalesce({name}, '')" for name in EVENT_COLUMNS)
    with duckdb.connect(config={"threads": 2}) as connection:
        for table in tables:
            hashes = f"select hash(row_number() over (), {cells}) as row from {table}"
            yield connection.sql(f"select count(*), sum(row::hugeint), bit_xor(row) from ({hashes})").fetchall()


def _sent():
    """A database of events that came in no order of time, some at the same instant; and a file of what an export is to hold.
    Made once."""
    with _LOCK:
        return _make()


@functools.cache
def _make():
    directory = Path(EVERYTHING.directory)
    events, sent = _events(), directory / "large.parquet"
    events.drop("at").write_ndjson(directory / "large.ndjson")
    # An export has the oldest first, and those of an instant as they came. Milliseconds are what openpyxl tells.
    events.sort("at", maintain_order=True).with_columns(
        polars.col("service").fill_null(""),
        shown=polars.col("at").dt.truncate("1ms"),
        attributes=polars.concat_str(
            polars.lit('{"n":'), polars.col("attributes").struct.field("n"), polars.lit("}")
        ),
    ).write_parquet(sent)
    return import_files(directory / "large.db", events=directory / "large.ndjson"), sent


def _events():
    n = polars.int_range(ROWS)
    # Each ends in a microsecond, so that all are written with as many digits.
    micros = (n // 3 + n * 7919 % 100) * 1_001_000 + 1
    more = polars.when(n % 11 == 0).then(polars.lit("\r\nand on")).otherwise(polars.lit(""))
    return polars.select(
        at=polars.lit(datetime(2025, 1, 1)) + polars.duration(microseconds=micros),
        severity=polars.when(n % 3 == 0).then(polars.lit("info")).otherwise(polars.lit("error")),
        service=polars.when(n % 5 > 0).then(polars.format("service {}", n % 7)),
        message=polars.format('row {}, "as sent"{}', n, more),
        attributes=polars.struct(n=n),
    ).with_columns(timestamp=polars.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
