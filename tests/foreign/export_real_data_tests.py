"""Exports of the real data: everything that was sent, and the figures that the summary endpoint gives."""

from datetime import datetime

import csv_readers
import real_data
import workbook
from exports import Reporter
from same import same_header, same_rows

NAME = "export of real data:"
# The server's own service: its audit trail stands in the same log, and nobody can send any of it.
OWN_SERVICE = "analytics"
ALL_TIME = {"start_date": "1999-12-01", "end_date": "2026-08-31"}
# As many days as a series of the endpoint may have, and a month's end.
PARTS = [("1999-12-01", "2008-12-31"), ("2009-01-01", "2018-12-31"), ("2019-01-01", "2026-08-31")]
FIGURES = ("total_users", "active_users", "total_sessions")
FILTERS = [{}, {"service": "git"}, {"service": "curl", "team_id": "lib"}]


def every_event_is_in_the_csv_once_and_in_order(stage):
    reporter, sent = Reporter(stage, real_data.database()), real_data.event_rows()
    export = reporter.export("system-events", "csv", raw=True, gzip=True)
    for who, read in csv_readers.READERS.items():
        header, rows = read(export.file)
        same_header(who, header, workbook.EVENT_COLUMNS)
        rows = [(real_data.instant(at), *rest) for at, *rest in rows if rest[1] != OWN_SERVICE]
        same_rows(who, rows, sent)


def every_event_is_in_the_workbook_once_and_in_order(stage):
    reporter, sent = Reporter(stage, real_data.database()), real_data.event_rows()
    file = reporter.export("system-events", "xlsx").file
    workbook.check_package(file)
    for who, (read, text) in workbook.EVENT_READERS.items():
        rows = [row for row in read(file, stage) if row[2] != OWN_SERVICE]
        same_rows(who, rows, [(at.replace(tzinfo=None), *map(text, rest)) for at, *rest in sent])


def filters_leave_what_they_say(stage):
    reporter, sent = Reporter(stage, real_data.database()), real_data.event_rows()
    since, until = "2017-03-29T10:32:51Z", "2025-01-28T00:00:00Z"
    export = reporter.export(
        "system-events", "csv", raw=True, **{"severity": "warning,error", "service": "sshd", "from": since, "to": until}
    )
    first, end = real_data.instant(since), real_data.instant(until)
    found = [row for row in sent if first <= row[0] < end and row[1] != "info" and row[2] == "sshd"]
    assert found, "the filters leave nothing to compare"
    _, rows = csv_readers.python_csv(export.file)
    same_rows("Python's csv", [(real_data.instant(at), *rest) for at, *rest in rows], found)


def usage_by_period_equals_the_endpoint(stage):
    reporter = Reporter(stage, real_data.database())
    header = ("start_date", "end_date", *FIGURES)
    for interval in ["day", "week", "month"]:
        for filters in FILTERS if interval == "month" else FILTERS[:1]:
            entries = _series(reporter, interval, filters)
            rows = [tuple(str(entry[name]) for name in header) for entry in entries]
            _same_usage(reporter, header, rows, interval=interval, **filters)


def usage_by_group_equals_the_endpoint(stage):
    reporter, days = Reporter(stage, real_data.database()), tuple(ALL_TIME.values())
    for by, column in [("team", "team_id"), ("service", "service"), ("user", "user_id")]:
        header = ("start_date", "end_date", column, *FIGURES)
        for filters in FILTERS if by == "user" else FILTERS[:1]:
            groups = _groups(reporter, by, filters)
            rows = [(*days, group[column] or "", *(str(group[figure]) for figure in FIGURES)) for group in groups]
            _same_usage(reporter, header, rows, group_by=by, **filters)


def usage_is_by_day_unless_asked_otherwise(stage):
    reporter = Reporter(stage, real_data.database())
    by_default, by_day = (
        reporter.export("usage-summary", "csv", **ALL_TIME, **asked).file.read_bytes() for asked in [{}, {"interval": "day"}]
    )
    assert by_default == by_day


def _series(reporter, interval, filters):
    """By the endpoint: a day at a time there are too many for one question."""
    for start, end in PARTS if interval == "day" else [ALL_TIME.values()]:
        asked = {"start_date": start, "end_date": end, "interval": interval, **filters}
        yield from reporter.get("/reports/usage-summary", **asked)["series"]


def _groups(reporter, by, filters):
    page, pages = 1, 1
    while page <= pages:
        asked = {**ALL_TIME, **filters, "group_by": by, "limit": 1000, "page": page}
        answer = reporter.get("/reports/usage-summary", **asked)
        yield from answer["groups"]
        page, pages = page + 1, answer["total_pages"]


def _same_usage(reporter, header, expected, **asked):
    assert expected, f"{asked} leaves nothing to compare"
    export = reporter.export("usage-summary", "csv", raw=True, **ALL_TIME, **asked)
    for who, read in csv_readers.READERS.items():
        found, rows = read(export.file)
        same_header(who, found, header)
        same_rows(who, rows, expected)
    sheets = workbook.by_openpyxl(reporter.export("usage-summary", "xlsx", **ALL_TIME, **asked).file)
    found, *rows = sheets["Usage"]
    same_header("openpyxl", found, header)
    same_rows("openpyxl", [tuple(map(_as_csv, row)) for row in rows], expected)


def _as_csv(cell):
    """What CSV has for a cell of a workbook."""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    return "" if cell is None else str(cell)
