"""Readers of CSV, each told to take text as text; every one gives a file's header and its rows as tuples of texts."""

import csv
import gzip

import duckdb
import pandas
import polars

# Python's own reader has a bound on a field.
csv.field_size_limit(1 << 24)


def python_csv(file):
    opened = gzip.open if file.suffix == ".gz" else open
    # Line ends are the reader's business; a byte order mark is the encoding's.
    with opened(file, "rt", encoding="utf-8-sig", newline="") as text:
        rows = [tuple(row) for row in csv.reader(text, strict=True)]
    return rows[0], rows[1:]


def pandas_c(file):
    return _pandas(file, "c")


def pandas_python(file):
    return _pandas(file, "python")


def _pandas(file, engine):
    # By default it makes numbers of "00123", and nothing of "NULL", "nan" or an empty field.
    frame = pandas.read_csv(file, dtype=str, na_filter=False, engine=engine)
    return tuple(frame.columns), list(frame.itertuples(index=False, name=None))


def polars_frame(file):
    # By default it guesses types by the first hundred rows, and an empty field is nothing.
    return polars.read_csv(file, infer_schema=False, empty_string_is_null=False)


def _polars(file):
    frame = polars_frame(file)
    return tuple(frame.columns), frame.rows()


def duckdb_table(file):
    """The file as a table, for SQL. An empty field is a null all the same."""
    # By default it guesses types, and how lines and quotes are written, by the first rows.
    how = """all_varchar = true, header = true, delim = ',', quote = '"', escape = '"', max_line_size = 4000000"""
    return f"read_csv('{file}', {how})"


def _duckdb(file):
    with duckdb.connect(config={"threads": 2}) as connection:
        table = connection.sql(f"select coalesce(columns(*), '') from {duckdb_table(file)}")
        return tuple(table.columns), table.fetchall()


READERS = {
    "Python's csv": python_csv,
    "pandas": pandas_c,
    "pandas' Python engine": pandas_python,
    "polars": _polars,
    "duckdb": _duckdb,
}
