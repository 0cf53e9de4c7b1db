"""Reads the events of a large workbook by openpyxl, as a stream, and compares each row with what it is to be.

usage: large_workbook.py WORKBOOK ROWS

ROWS is a Parquet file. Prints how many rows each sheet behind the first holds, as JSON; exits 1 where one differs.
"""

import json
import sys

import openpyxl
import polars
from openpyxl.utils.escape import unescape

COLUMNS = ("timestamp", "severity", "service", "message", "attributes")


def rows_the_same(sheet, expected):
    rows = sheet.iter_rows(values_only=True)
    if (header := next(rows)) != COLUMNS:
        sys.exit(f"the header of {sheet.title} is {header}")
    count = 0
    for (at, severity, service, message, attributes), sent in zip(rows, expected):
        if (found := (at, severity, service or "", unescape(message), attributes)) != sent:
            sys.exit(f"row {count} of {sheet.title} is {found}, not {sent}")
        count += 1
    return count


def main():
    file, sent = sys.argv[1:]
    expected = polars.read_parquet(sent).select("shown", *COLUMNS[1:]).iter_rows()
    book = openpyxl.load_workbook(file, read_only=True)
    print(json.dumps({sheet.title: rows_the_same(sheet, expected) for sheet in book.worksheets[1:]}))


if __name__ == "__main__":
    main()
