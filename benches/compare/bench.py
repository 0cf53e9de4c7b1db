"""What a part is given."""

from dataclasses import dataclass, field
from pathlib import Path

from histories import Product
from plan import Plan
from programs import Programs
from rows import Measured


@dataclass
class Bench:
    plan: Plan
    programs: Programs
    # None where it could not be made: see `why_no_product`.
    made: Product | None
    why_no_product: str
    found: dict[str, Measured] = field(default_factory=dict)
    # Why rows are missing, by their key or by the beginning of it.
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def product(self) -> Product:
        if self.made is None:
            raise RuntimeError(self.why_no_product)
        return self.made

    def scratch(self, name: str) -> Path:
        path = self.plan.scratch / name
        path.mkdir(parents=True, exist_ok=True)
        return path
