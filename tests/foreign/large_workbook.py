"""Reads the events of a large workbook and compares each row with what it is to be: by calamine, and those of the last sheet
by openpyxl, too, which takes a minute for a million.

usage: large_workbook.py WORKBOOK ROWS

ROWS is a Parquet file. Prints how many rows each sheet behind the first holds, as JSON; exits 1 where one differs.
"""

import json
import sys

import openpyxl
import polars
from openpyxl.utils.escape import unescape
from python_calamine import CalamineWorkbook

COLUMNS = ("timestamp", "severity", "service", "message", "attributes")


def calamine_rows(book, title):
    return map(tuple, book.get_sheet_by_name(title).iter_rows())


def openpyxl_rows(book, title):
    for at, severity, service, message, attributes in book[title].iter_rows(values_only=True):
        yield at, severity, service or "", unescape(message), attributes


def rows_the_same(title, rows, expected):
    """How many there are; `expected` may hold more."""
    if (header := next(rows)) != COLUMNS:
        sys.exit(f"the header of {title} is {header}")
    count = 0
    for found in rows:
        if found != (sent := next(expected, None)):
            sys.exit(f"row {count} of {title} is {found}, not {sent}")
        count += 1
    return count


def main():
    file, sent = sys.argv[1:]
    events = polars.read_parquet(sent).select("shown", *COLUMNS[1:])
    book, expected = CalamineWorkbook.from_path(file), events.iter_rows()
    titles = book.sheet_names[1:]
    counts = {title: rows_the_same(title, calamine_rows(book, title), expected) for title in titles}
    last = titles[-1]
    rows = openpyxl_rows(openpyxl.load_workbook(file, read_only=True), last)
    if rows_the_same(last, rows, events.tail(counts[last]).iter_rows()) != counts[last]:
        sys.exit(f"openpyxl finds fewer rows in {last} than calamine does")
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
