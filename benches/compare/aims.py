"""Every row that a run owes: what is measured, against what, and what is aimed at."""

from plan import Plan
from rows import ALONE, COST, FASTER, SHARE, Aim, Row

SCOPES = {
    "all": "all users",
    "team": "a team",
    "service": "a service",
    "both": "team and service",
    "user": "a user",
}
RANGES = {"1d": "1 day", "30d": "30 days", "90d": "90 days", "365d": "365 days", "3y": "3 years"}
DUCKDB = "DuckDB count(distinct), native table by day, integer ids, 2 threads"
CPU_BARE = "bare insert, same rows"
BARE = "bare hyper, same bytes"
BARE_ON_THE_CORE = f"{BARE}, on the same core"

_SUMMARY_AIMS = {"30d": 10, "365d": 25, "3y": 500}


def all_rows(plan: Plan) -> list[Row]:
    return (
        _summaries()
        + _groups()
        + _pages_inside(plan)
        + _summaries_over_http()
        + _pages_over_http(plan)
        + _rates()
        + _ingest()
        + _growth(plan)
        + _exports(plan)
        + _mixed()
        + _start_and_size(plan)
    )


def _summaries() -> list[Row]:
    rows = []
    for scope, scope_name in SCOPES.items():
        for span, span_name in RANGES.items():
            aim, family = _SUMMARY_AIMS.get(span), "" if scope == "all" else f"summary.{span}"
            what = f"summary in process, {scope_name}, {span_name}"
            rows.append(
                Row(
                    f"summary.{scope}.{span}",
                    "reports",
                    what,
                    DUCKDB,
                    "us",
                    FASTER,
                    aim and Aim(at_least=aim) or None,
                    family,
                )
            )
    for span, span_name in RANGES.items():
        what = f"summary in process, all users, {span_name}"
        rows.append(Row(f"repeated.{span}", "reports", what + ", asked again", DUCKDB, "us", FASTER))
        rows.append(Row(f"chdb.{span}", "reports", what, "chDB uniqExact, MergeTree by day", "us", FASTER))
        rows.append(Row(f"sqlite.{span}", "reports", what, "sqlite3 count(distinct), covering index", "us", FASTER))
    return rows


def _groups() -> list[Row]:
    ten = Aim(at_least=10)
    rows = [Row("series.3y", "reports", "series by day in process, 3 years", DUCKDB + " by day", "us", FASTER, ten)]
    for span, span_name in RANGES.items():
        what = f"group_by=user in process, first page, {span_name}"
        rows.append(
            Row(f"users.{span}", "reports", what, "DuckDB group by, table of sessions joined beforehand", "us", FASTER, ten)
        )
    for span, span_name in RANGES.items():
        what = f"group_by=team in process, {span_name}"
        rows.append(Row(f"teams.{span}", "reports", what, DUCKDB + " by team", "us", FASTER))
    return rows


def _pages_inside(plan: Plan) -> list[Row]:
    deep = f"log page {plan.deep_page:,} in process"
    duckdb = "DuckDB order by, limit, offset, table in order"
    return [
        Row("page.first", "reports", "log page 1 in process", duckdb, "us", FASTER),
        Row("page.deep", "reports", deep + ", no filter", duckdb, "us", FASTER, Aim(at_least=1_000)),
        Row("page.deep.info", "reports", deep + ", info", duckdb, "us", FASTER, Aim(at_least=10_000)),
    ]


def _summaries_over_http() -> list[Row]:
    rows = [Row("http.slowest", "http", "slowest summary over HTTP of all below", "", "us", ALONE, Aim(at_most=1_000))]
    for scope, scope_name in SCOPES.items():
        for span, span_name in RANGES.items():
            what = f"summary over HTTP, {scope_name}, {span_name}"
            rows.append(Row(f"http.{scope}.{span}", "http", what, BARE_ON_THE_CORE, "us", COST, Aim(at_most=4), f"http.{span}"))
    for span, span_name in RANGES.items():
        what = f"summary over HTTP, all users, {span_name}, asked again"
        rows.append(Row(f"http.repeated.{span}", "http", what, BARE_ON_THE_CORE, "us", COST))
    for key, what in {
        "series.3y": "series by day, 3 years",
        "users.3y": "group_by=user, first page, 3 years",
        "teams.3y": "group_by=team, 3 years",
    }.items():
        rows.append(Row(f"http.{key}", "http", f"{what}, over HTTP", BARE_ON_THE_CORE, "us", COST))
    return rows


def log_filters() -> dict[str, tuple[str, str, int]]:
    """Each filter of log pages: name, parameters, and a limit with which even rare events have a page so deep."""
    span = "&from=2023-07-01&to=2025-07-01"
    return {
        "none": ("no filter", "", 100),
        "info": ("info", "&severity=info", 100),
        "warning": ("warning", "&severity=warning", 5),
        "error": ("error", "&severity=error", 1),
        "two": ("warning and error", "&severity=warning,error", 5),
        "service": ("a service", "&service=service-03", 5),
        "service-info": ("a service, info", "&service=service-03&severity=info", 5),
        "time": ("two years", span, 100),
        "time-info": ("two years, info", span + "&severity=info", 100),
        "time-service": ("two years, a service", span + "&service=service-03", 3),
        "time-service-info": ("two years, a service, info", span + "&service=service-03&severity=info", 3),
    }


ORDERS = {"desc": "newest first", "asc": "oldest first"}


def _pages_over_http(plan: Plan) -> list[Row]:
    rows = []
    for name, (text, _, limit) in log_filters().items():
        for order, order_name in ORDERS.items():
            what = f"log page {plan.deep_page:,} over HTTP, {limit} a page, {text}, {order_name}"
            rows.append(
                Row(f"pages.{name}.{order}", "http", what, "its page 1", "us", COST, Aim(at_most=2), f"pages.{order}")
            )
    victoria = "VictoriaLogs 1.26, an earlier run"
    return rows + [
        Row("newest", "http", "newest log page over HTTP", victoria, "us", FASTER, Aim(at_least=50)),
        Row("deep300k", "http", "log page 300,000 events deep over HTTP", victoria, "us", FASTER, Aim(at_least=100)),
        Row("newest.bare", "http", "newest log page over HTTP", BARE_ON_THE_CORE, "us", COST),
    ]


def _rates() -> list[Row]:
    def row(key: str, what: str, least: float | None) -> Row:
        what = f"summaries a second, 32 connections, {what}"
        return Row(f"rate.{key}", "rates", what, BARE, "requests/s", SHARE, Aim(at_least=least) if least else None)

    return [
        row("same", "the same", 0.6),
        row("team", "another team each time", 0.4),
        row("user", "another user each time", 0.4),
        row("range", "another range of all users each time", None),
        row("team-range", "another team and range each time", None),
    ]


def _ingest() -> list[Row]:
    bare, empty = "bare inserts, one process, synchronous=full", "an empty authorised POST, same server"
    return [
        Row(
            "ingest.one",
            "ingest",
            "durable ingest, 64 connections, 1 usage event a request",
            empty,
            "requests/s",
            SHARE,
            Aim(at_least=0.4),
        ),
        Row(
            "ingest.one.log",
            "ingest",
            "durable ingest, 64 connections, 1 log event a request",
            empty,
            "requests/s",
            SHARE,
            Aim(at_least=0.4),
        ),
        Row(
            "ingest.usage",
            "ingest",
            "durable ingest over HTTP, 1,000 usage events a request",
            bare,
            "events/s",
            SHARE,
            Aim(at_least=0.2),
        ),
        Row(
            "ingest.log",
            "ingest",
            "durable ingest over HTTP, 1,000 log events a request",
            bare,
            "events/s",
            SHARE,
            Aim(at_least=0.5),
        ),
        Row(
            "import.usage",
            "ingest",
            "analytics import usage",
            "HTTP, 1,000 a request",
            "events/s",
            SHARE,
            Aim(at_least=1.5),
        ),
        Row(
            "import.log",
            "ingest",
            "analytics import events",
            "HTTP, 1,000 a request",
            "events/s",
            SHARE,
            Aim(at_least=1.5),
        ),
        Row("cpu.order", "ingest", "CPU a usage event, 2,000 a commit, in order", CPU_BARE, "us", COST, Aim(at_most=6)),
        Row("cpu.late", "ingest", "the same, late by up to 30 days", CPU_BARE, "us", COST, Aim(at_most=15)),
    ]


def _growth(plan: Plan) -> list[Row]:
    usage, log = f"{plan.growth_usage[-1]:,} user-days", f"{plan.growth_log[-1]:,} log events"
    first_usage, first_log = f"at {plan.growth_usage[0]:,}", f"at {plan.growth_log[0]:,}"
    bare = CPU_BARE
    return [
        Row("cpu.day.order", "growth", f"CPU a user-day of one event, in order, {first_usage}", bare, "us", COST),
        Row("cpu.day.late", "growth", f"the same, late by days, {first_usage}", bare, "us", COST),
        Row("cpu.log", "growth", f"CPU a log event, 2,000 a commit, in order, {first_log}", bare, "us", COST),
        Row(
            "growth.usage.order",
            "growth",
            f"CPU a usage event at {usage}, in order",
            first_usage,
            "us",
            COST,
            Aim(at_most=1.3),
        ),
        Row(
            "growth.usage.late",
            "growth",
            f"CPU a usage event at {usage}, late",
            first_usage,
            "us",
            COST,
            Aim(at_most=2),
        ),
        Row(
            "growth.log.order", "growth", f"CPU a log event at {log}, in order", first_log, "us", COST, Aim(at_most=1.3)
        ),
        Row("growth.log.late", "growth", f"CPU a log event at {log}, late", first_log, "us", COST, Aim(at_most=2)),
        Row("growth.usage.memory", "growth", f"memory in process at {usage}", first_usage, "MiB", COST),
        Row("growth.log.memory", "growth", f"memory in process at {log}", first_log, "MiB", COST),
        Row("growth.usage.open", "growth", f"opening a file of {usage}", first_usage, "ms", COST),
        Row("growth.log.open", "growth", f"opening a file of {log}", first_log, "ms", COST),
    ]


def _exports(plan: Plan) -> list[Row]:
    csv, xlsx = f"CSV of {plan.export_events:,} log events", f"XLSX of {plan.xlsx_events:,} log events"
    return [
        Row(
            "csv.duckdb",
            "exports",
            csv,
            "DuckDB COPY, 2 threads, native table in order",
            "s",
            FASTER,
            Aim(at_least=1.1),
        ),
        Row("csv.sqlite3", "exports", csv, "sqlite3 -csv, same formatting", "s", FASTER, Aim(at_least=4)),
        Row("csv.memory", "exports", csv + ": memory over idle", "", "MiB", ALONE, Aim(at_most=32)),
        Row("xlsx.xlsxwriter", "exports", xlsx, "XlsxWriter constant_memory", "s", FASTER, Aim(at_least=6)),
        Row("xlsx.memory", "exports", xlsx + ": memory over idle", "", "MiB", ALONE),
    ]


def _mixed() -> list[Row]:
    load = "20,000 events/s coming in, one export, 200 reads/s"
    return [
        Row("mixed.summary", "mixed", f"p99 of a 30-day summary: {load}", "idle p99", "us", COST, Aim(at_most=5)),
        Row("mixed.page", "mixed", f"p99 of the first log page: {load}", "idle p99", "us", COST, Aim(at_most=5)),
        Row("mixed.rate", "mixed", "events taken in meanwhile", "", "events/s", ALONE),
    ]


def _start_and_size(plan: Plan) -> list[Row]:
    true = "/bin/true, same launcher"
    run = f"the run of {plan.events:,} log events"
    return [
        Row("start.ephemeral", "start", "start to first 200, --ephemeral", true, "us", COST, Aim(at_most=10)),
        Row("start.file", "start", "start to first 200, a large file", true, "us", COST, Aim(at_most=40)),
        Row("memory.idle", "size", "resident memory, idle, --ephemeral", "", "MiB", ALONE, Aim(at_most=16)),
        Row("memory.idle.own", "size", "the same, without pages of the binary", "", "MiB", ALONE),
        Row("memory.connection", "size", "memory of an idle connection", "", "KiB", ALONE),
        Row("memory.after", "size", f"resident memory after {run}", "", "MiB", ALONE, Aim(at_most=200)),
        Row("binary", "size", "release binary", "", "MB", ALONE, Aim(at_most=12)),
        Row(
            "bytes.log", "size", "file size a log event of 80 bytes, all included", "", "bytes", ALONE, Aim(at_most=130)
        ),
        Row("bytes.usage", "size", "usage file a user-day, all included", "", "bytes", ALONE, Aim(at_most=90)),
    ]
