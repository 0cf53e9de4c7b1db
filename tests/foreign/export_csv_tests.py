"""CSV as readers that nobody here wrote take it, with the texts that are hardest on them."""

import csv_readers
import hostile
from exports import Reporter
from same import same_header, same_rows
from workbook import EVENT_COLUMNS

NAME = "export as CSV:"
DAYS = {"start_date": "2025-05-21", "end_date": "2025-05-21"}
DIMENSIONS = {"team": "team_id", "service": "service", "user": "user_id"}


def every_text_comes_back_from_every_reader(stage):
    reporter, sent = _with_events(stage)
    _read_by_all(reporter.export("system-events", "csv", raw=True, **DAYS), sent)


def an_apostrophe_stands_before_what_would_be_a_formula_and_nowhere_else(stage):
    reporter, sent = _with_events(stage)
    neutral = [hostile.neutralised(row) for row in sent]
    assert neutral != sent
    _read_by_all(reporter.export("system-events", "csv", **DAYS), neutral)


def a_byte_order_mark_and_gzip_change_no_value(stage):
    reporter, sent = _with_events(stage)
    plain = reporter.export("system-events", "csv", raw=True, **DAYS).file.read_bytes()
    with_mark = reporter.export("system-events", "csv", raw=True, bom=True, **DAYS)
    assert with_mark.file.read_bytes() == b"\xef\xbb\xbf" + plain
    _read_by_all(with_mark, sent)
    packed = reporter.export("system-events", "csv", raw=True, gzip=True, **DAYS)
    assert packed.file.name.endswith(".csv.gz") and packed.file.read_bytes()[:2] == b"\x1f\x8b", packed
    _read_by_all(packed, sent)
    _read_by_all(reporter.export("system-events", "csv", raw=True, bom=True, gzip=True, **DAYS), sent)


def every_line_ends_in_crlf(stage):
    reporter, sent = _with_events(stage)
    text = reporter.export("system-events", "csv", raw=True, **DAYS).file.read_bytes().decode()
    assert text.endswith("\r\n")
    # What is left of a line without its quoted fields has no line end of its own.
    outside = "".join(text.split('"')[::2])
    assert outside.count("\r\n") == outside.count("\r") == outside.count("\n") == len(sent) + 1


def names_of_teams_services_and_users_come_back(stage):
    reporter = _with_usage(stage)
    for by, column in DIMENSIONS.items():
        groups = reporter.get("/reports/usage-summary", group_by=by, limit=1000, **DAYS)["groups"]
        assert {group[column] for group in groups} == set(hostile.IDS), f"the endpoint itself has other {by}s"
        days, figures = tuple(DAYS.values()), ("total_users", "active_users", "total_sessions")
        sent = [(*days, group[column], *(str(group[figure]) for figure in figures)) for group in groups]
        columns = ("start_date", "end_date", column, *figures)
        _read_by_all(reporter.export("usage-summary", "csv", group_by=by, raw=True, **DAYS), sent, columns)
        neutral = [hostile.neutralised(row) for row in sent]
        _read_by_all(reporter.export("usage-summary", "csv", group_by=by, **DAYS), neutral, columns)


def nothing_found_is_a_header_alone(stage):
    reporter = Reporter(stage)
    _read_by_all(reporter.export("system-events", "csv", **DAYS), [])


def _with_events(stage):
    """A reporter with all texts in its log, and the rows that stand for them."""
    reporter, events = Reporter(stage), list(hostile.events())
    reporter.send("/logs/system-events", events)
    return reporter, [hostile.row(event) for event in events]


def _with_usage(stage):
    reporter = Reporter(stage)
    at = f"{DAYS['start_date']}T10:15:30Z"
    visits = [{"user_id": text, "team_id": text, "service": text, "timestamp": at} for text in hostile.IDS]
    reporter.send("/usage/events", visits)
    return reporter


def _read_by_all(export, expected, columns=EVENT_COLUMNS):
    assert export.job["rows"] == len(expected), export.job
    for who, read in csv_readers.READERS.items():
        header, rows = read(export.file)
        same_header(who, header, columns)
        same_rows(who, rows, expected)
