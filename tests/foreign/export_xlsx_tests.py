"""Workbooks as openpyxl and LibreOffice read them: every text, real dates and numbers, and what makes them pleasant."""

import math
import zipfile
from datetime import datetime, timedelta
from xml.etree import ElementTree

import hostile
import openpyxl
import workbook
from exports import Reporter
from same import same_rows

NAME = "export as XLSX:"
DAYS = {"start_date": "2025-05-21", "end_date": "2025-05-21"}
JANUARY = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
FIGURES = ("total_users", "active_users", "total_sessions")
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


def every_text_comes_back_from_every_reader(stage):
    reporter, events = Reporter(stage), list(hostile.events())
    reporter.send("/logs/system-events", events)
    export = reporter.export("system-events", "xlsx", **DAYS)
    assert export.job["rows"] == len(events), export.job
    workbook.check_package(export.file)
    for who, (read, text) in workbook.EVENT_READERS.items():
        sent = [(_to_the_millisecond(event["timestamp"]), *map(text, hostile.row(event)[1:])) for event in events]
        same_rows(who, read(export.file, stage), sent)


def no_cell_is_a_formula_or_a_link(stage):
    reporter = Reporter(stage)
    reporter.send("/logs/system-events", hostile.events())
    book = openpyxl.load_workbook(reporter.export("system-events", "xlsx", **DAYS).file)
    for row in book["Events"].iter_rows():
        kinds = [cell.data_type for cell in row if cell.value is not None]
        assert set(kinds[1:]) == {"s"} and not any(cell.hyperlink for cell in row), [cell.value for cell in row]


def instants_are_dates_to_the_microsecond(stage):
    reporter = Reporter(stage)
    instants = [
        "1900-03-01T00:00:00Z", "1970-01-01T00:00:00.000001Z", "2000-02-29T23:59:59.999999Z", "2024-12-31T23:59:59.999Z",
        "2025-05-21T10:15:30.123456Z", "2038-01-19T03:14:08Z", "9999-12-31T23:59:59.999Z",
    ]  # fmt: skip
    reporter.send("/logs/system-events", [{"timestamp": at, "severity": "info", "message": at} for at in instants])
    file = reporter.export("system-events", "xlsx", to="9999-12-31T23:59:59.9999Z").file
    book = openpyxl.load_workbook(file)
    shown = {row[3].value: row[0] for row in book["Events"].iter_rows(min_row=2)}
    raw = {place: value for place, _, _, value in workbook.cells(file, _part_of(file, "Events"))}
    for at in instants:
        cell = shown[at]
        assert cell.is_date and cell.number_format == "yyyy-mm-dd hh:mm:ss.000", f"{at} is {cell.value}"
        # As near as a number of days in a double can be: to half a microsecond today, to 20 in the year 9999.
        serial = float(raw[cell.coordinate])
        off = workbook.instant_of(serial) - datetime.fromisoformat(at).replace(tzinfo=None)
        assert abs(off) <= timedelta(microseconds=1, days=math.ulp(serial) / 2), f"{at} is written as {serial}"


def instants_that_a_workbook_has_no_dates_for_are_text(stage):
    reporter = Reporter(stage)
    instants = ["0001-01-01T00:00:00Z", "1582-10-15T10:15:30Z", "1899-12-31T00:00:00Z", "1900-02-28T23:59:59.999999Z"]
    reporter.send("/logs/system-events", [{"timestamp": at, "severity": "info", "message": at} for at in instants])
    file = reporter.export("system-events", "xlsx", to="1950-01-01").file
    for who, (read, _) in workbook.EVENT_READERS.items():
        same_rows(who, read(file, stage), [(at, "info", "", at, "") for at in instants])


def names_of_teams_services_and_users_come_back(stage):
    reporter, at = Reporter(stage), f"{DAYS['start_date']}T10:15:30Z"
    visits = [{"user_id": text, "team_id": text, "service": text, "timestamp": at} for text in hostile.IDS]
    reporter.send("/usage/events", visits)
    for by in ["team", "service", "user"]:
        file = reporter.export("usage-summary", "xlsx", group_by=by, **DAYS).file
        workbook.check_package(file)
        for who, read in [("openpyxl", workbook.by_openpyxl), ("LibreOffice", workbook.by_libreoffice)]:
            _, *rows = read(file, stage)["Usage"]
            same_rows(who, [(name,) for name in sorted(row[2] for row in rows)], [(name,) for name in sorted(hostile.IDS)])


def usage_has_dates_and_numbers(stage):
    file = _with_usage(stage).export("usage-summary", "xlsx", **JANUARY).file
    for row in openpyxl.load_workbook(file)["Usage"].iter_rows(min_row=2):
        assert all(cell.is_date and cell.number_format == "yyyy-mm-dd" for cell in row[:2]), [cell.value for cell in row]
        assert all(isinstance(cell.value, int) for cell in row[2:]), [cell.value for cell in row]


def tables_have_a_bold_frozen_header_a_filter_and_widths(stage):
    reporter = _with_usage(stage)
    reporter.send("/logs/system-events", hostile.events())
    exports = [reporter.export("usage-summary", "xlsx", **JANUARY), reporter.export("system-events", "xlsx", **DAYS)]
    for name, export in zip(["Usage", "Events"], exports):
        sheet = openpyxl.load_workbook(export.file)[name]
        assert sheet.freeze_panes == "A2", sheet.freeze_panes
        assert sheet.auto_filter.ref == sheet.dimensions, f"{sheet.auto_filter.ref} of {sheet.dimensions}"
        assert sheet.max_row == export.job["rows"] + 1, export.job
        # One entry may be about several columns.
        widths = {i: entry.width for entry in sheet.column_dimensions.values() for i in range(entry.min, entry.max + 1)}
        for cell in sheet[1]:
            assert cell.font.bold and len(cell.value) < widths[cell.column] <= 120, f"{cell.value}: {widths}"


def the_summary_comes_first_and_has_the_totals_of_the_endpoint(stage):
    reporter = _with_usage(stage)
    totals = reporter.get("/reports/usage-summary", **JANUARY)
    for asked in [{}, {"interval": "week"}, {"group_by": "team"}]:
        file = reporter.export("usage-summary", "xlsx", **JANUARY, **asked).file
        book = openpyxl.load_workbook(file)
        assert book.sheetnames == ["Summary", "Usage"] and book.active.title == "Summary", book.sheetnames
        assert _integers(book["Summary"]) == [totals[figure] for figure in FIGURES], _integers(book["Summary"])


def the_summary_of_events_counts_them_by_severity(stage):
    reporter, events = Reporter(stage), list(hostile.events())
    reporter.send("/logs/system-events", events)
    book = openpyxl.load_workbook(reporter.export("system-events", "xlsx", severity="warning,error", **DAYS).file)
    assert book.sheetnames == ["Summary", "Events"] and book.active.title == "Summary", book.sheetnames
    by_severity = [sum(event["severity"] == name for event in events) for name in hostile.SEVERITIES]
    assert _integers(book["Summary"]) == [sum(by_severity[1:]), 0, *by_severity[1:]], _integers(book["Summary"])


def summary_and_chart_take_any_name(stage):
    names = ["=1+1", "a\ufffe", "\uffff", "_x000D_", "<a>&amp;</a>", "'!$A$1", hostile.EMOJI, "a" * 256, hostile.EMOJI * 64]
    reporter, at = Reporter(stage), f"{DAYS['start_date']}T10:15:30Z"
    reporter.send("/usage/events", [{"user_id": n, "team_id": n, "service": n, "timestamp": at} for n in names])
    for name in names:
        for asked in [{"team_id": name, "service": name, "user_id": name}, {"service": name, "group_by": "team"}]:
            file = reporter.export("usage-summary", "xlsx", **asked, **DAYS).file
            workbook.check_package(file)
            assert f"only {name}" in workbook.shared_texts(file), workbook.shared_texts(file)
    workbook.check_package(file := reporter.export("usage-summary", "xlsx", group_by="team", **DAYS).file)
    workbook.by_libreoffice(file, stage)


def usage_has_a_native_chart_of_what_the_table_holds(stage):
    reporter = _with_usage(stage)
    for kind, asked in [("lineChart", {}), ("lineChart", {"interval": "week"}), ("barChart", {"group_by": "team"})]:
        export = reporter.export("usage-summary", "xlsx", **JANUARY, **asked)
        workbook.check_package(export.file)
        with zipfile.ZipFile(export.file) as package:
            chart = ElementTree.fromstring(package.read("xl/charts/chart1.xml"))
        assert chart.find(f".//{_CHART}{kind}") is not None, f"no {kind} for {asked}"
        last_row = export.job["rows"] + 1
        for place in [element.text for element in chart.iter(f"{_CHART}f")]:
            sheet, cells = place.split("!")
            assert sheet == "Usage" and cells.split("$")[-1] in ("1", str(last_row)), f"the chart shows {place}"


def nothing_found_is_a_workbook_all_the_same(stage):
    reporter = Reporter(stage)
    for report_type, name in [("usage-summary", "Usage"), ("system-events", "Events")]:
        for asked in [{}, {"group_by": "team"}] if report_type == "usage-summary" else [{}]:
            file = reporter.export(report_type, "xlsx", **DAYS, **asked).file
            workbook.check_package(file)
            assert list(workbook.by_openpyxl(file)) == ["Summary", name]
            assert set(workbook.by_libreoffice(file, stage)) == {"Summary", name}


def _with_usage(stage):
    reporter = Reporter(stage)
    visits = [
        {"user_id": f"user-{i % 40}", "team_id": f"team-{i % 7}", "timestamp": f"2025-01-{1 + i % 28:02}T{i % 24:02}:00:00Z"}
        for i in range(1000)
    ]
    reporter.send("/usage/events", visits)
    return reporter


def _to_the_millisecond(timestamp):
    at = datetime.fromisoformat(timestamp).replace(tzinfo=None)
    return at.replace(microsecond=round(at.microsecond, -3))


def _part_of(file, sheet):
    book = openpyxl.load_workbook(file, read_only=True)
    try:
        return f"xl/worksheets/sheet{book.sheetnames.index(sheet) + 1}.xml"
    finally:
        book.close()


def _integers(sheet):
    return [value for row in sheet.iter_rows(values_only=True) for value in row if type(value) is int]
