"""What is asked of summaries: ranges that begin on another day each time, so that no kept answer helps."""

from datetime import date, timedelta

from asking import Question

# So many ranges of a length lie within the data.
DIFFERENT = 700
LAST = date(2025, 12, 31)
FIRST = date(2023, 1, 1)
# The end of most ranges, in the middle of a month: they align with nothing that is kept ready.
END = date(2025, 12, 13)
DAYS = {"1d": 1, "30d": 30, "90d": 90, "365d": 365}

SCOPE_FILTERS = {
    "all": {},
    "team": {"team": "team-007"},
    "service": {"service": "service-03"},
    "both": {"team": "team-007", "service": "service-03"},
    "user": {"user": "user-000042"},
}
PARAMETERS = {"team": "team_id", "service": "service", "user": "user_id"}


def dates(span: str, nth: int) -> tuple[str, str]:
    """The nth range of a length. Those of 3 years hold all data, and begin some days before the first: what somebody asks
    who wants everything."""
    if span == "3y":
        return (FIRST - timedelta(days=nth)).isoformat(), LAST.isoformat()
    end = END - timedelta(days=nth % DIFFERENT)
    return (end - timedelta(days=DAYS[span] - 1)).isoformat(), end.isoformat()


def question(ask: str, span: str, nth: int, **filters: str) -> Question:
    start, end = dates(span, nth)
    return {"ask": ask, "start": start, "end": end, **filters}


def path(span: str, nth: int, more: str = "", **filters: str) -> str:
    start, end = dates(span, nth)
    named = "".join(f"&{PARAMETERS[name]}={value}" for name, value in filters.items())
    return f"/reports/usage-summary?start_date={start}&end_date={end}{named}{more}"
