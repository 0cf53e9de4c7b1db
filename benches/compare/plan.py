"""How much is measured, and where things lie."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 1


@dataclass(frozen=True)
class Plan:
    home: Path
    quick: bool

    @property
    def users(self) -> int:
        return 50_000 if self.quick else 1_000_000

    @property
    def sessions(self) -> int:
        return 250_000 if self.quick else 5_000_000

    @property
    def events(self) -> int:
        return 1_000_000 if self.quick else 20_000_000

    @property
    def deep_page(self) -> int:
        """In the middle of the log at 100 events a page: 100,000 in the full run."""
        return self.events // 200

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 5

    @property
    def seconds(self) -> int:
        """Of one measurement under load."""
        return 1 if self.quick else 4

    @property
    def growth_usage(self) -> list[int]:
        return (
            [100_000, 500_000, 1_000_000, 2_000_000]
            if self.quick
            else [1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000]
        )

    @property
    def growth_log(self) -> list[int]:
        return (
            [100_000, 500_000, 2_000_000, 5_000_000]
            if self.quick
            else [1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000]
        )

    @property
    def growth_sample(self) -> int:
        return 50_000 if self.quick else 200_000

    @property
    def export_events(self) -> int:
        return 500_000 if self.quick else 5_000_000

    @property
    def xlsx_events(self) -> int:
        return 100_000 if self.quick else 1_000_000

    @property
    def data(self) -> Path:
        """Kept between runs: the same seed and sizes give the same files."""
        return self.home / "data" / f"seed{SEED}-{self.users}-{self.sessions}-{self.events}"

    @property
    def scratch(self) -> Path:
        """Removed at the end of a run."""
        return self.home / "scratch"
