"""What a row of the table is, and how a measured one is judged."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Aim:
    """A bound for a row's ratio, or for ours itself where there is no reference."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def margin(self, value: float) -> float:
        """How far on the good side: 1 at the bound."""
        if self.at_least is not None:
            return value / self.at_least
        return (self.at_most or 0) / value if value else 1.0

    def text(self, unit: str) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:,g}{unit}"
        return f"at most {self.at_most:,g}{unit}"


# What the ratio tells: how many times as fast ours is (times), what share of the reference's rate it has (rates), or how many times
# the reference's cost it is (costs).
FASTER, SHARE, COST, ALONE = "faster", "share", "cost", "alone"


@dataclass(frozen=True)
class Row:
    """A row that a run owes, measured or not. `kind` says how the ratio is formed; without an aim it is for information. Of a
    family the README shows only the worst."""

    key: str
    part: str
    what: str
    reference: str
    unit: str
    kind: str
    aim: Aim | None = None
    family: str = ""


@dataclass
class Measured:
    """A figure for each round, of ours and of the reference; `note` tells what a reader must know."""

    ours: list[float]
    reference: list[float] = field(default_factory=list)
    note: str = ""
    is_right: bool = True
    # Whether figures of the same place were measured by turns: then the ratio is the median of the rounds' ratios.
    is_paired: bool = True


def ratio(row: Row, measured: Measured) -> float | None:
    if row.kind == ALONE or not measured.reference:
        return None
    ours, reference = measured.ours, measured.reference
    if not measured.is_paired or len(ours) != len(reference):
        ours, reference = [median(ours)], [median(reference)]
    tops, bottoms = (reference, ours) if row.kind == FASTER else (ours, reference)
    ratios = [top / bottom for top, bottom in zip(tops, bottoms, strict=True) if bottom]
    return median(ratios) if ratios else None


def verdict(row: Row, measured: Measured) -> bool | None:
    """Whether the aim is met; None without one. A wrong answer meets none."""
    if row.aim is None:
        return None
    value = median(measured.ours) if row.kind == ALONE else ratio(row, measured)
    return measured.is_right and value is not None and row.aim.is_met(value)


def number(value: float) -> str:
    """Three significant digits, and thousands parted."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"
