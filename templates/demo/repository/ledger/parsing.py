"""Lines such as `2026-03-01 rent -950.00 EUR` to entries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    day: str
    text: str
    cents: int
    currency: str


def parse_line(line: str) -> Entry:
    """One entry from one line."""
    day, text, amount, currency = line.split()
    whole, _, part = amount.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return Entry(day, text, sign * (abs(int(whole)) * 100 + int(part or 0)), currency)
