"""The embedded agent of the demo: scripted, so that it needs no keys. It works as any `command` agent does.

It finds its workstream in WTO_WORKSTREAM, edits files in small steps with a commit each, and writes its handoff to
WTO_HANDOFF. The `rates` workstream forgets the rounding at first: the check fails on the combined tree, the evidence comes
back in its next brief, and the second attempt fixes it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PAUSE_S = float(os.environ.get("DEMO_PAUSE", "1.5"))

PARSER = '''"""Lines such as `2026-03-01 rent of the flat -950.00 EUR` to entries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    day: str
    text: str
    cents: int
    currency: str


def parse_line(line: str) -> Entry:
    """One entry from one line; the text may have several words."""
    day, *words, amount, currency = line.split()
    whole, _, part = amount.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return Entry(day, " ".join(words), sign * (abs(int(whole)) * 100 + int(part or 0)), currency)


def parse(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a text; blank lines and comments are left out."""
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            yield parse_line(line)
'''
PARSER_TEST = '''from ledger.parsing import Entry, parse, parse_line


def test_parses_an_entry():
    assert parse_line("2026-03-01 rent -950.00 EUR") == Entry("2026-03-01", "rent", -95000, "EUR")


def test_texts_may_have_several_words():
    assert parse_line("2026-03-02 two new chairs -80.00 USD").text == "two new chairs"


def test_comments_and_blank_lines_are_left_out():
    assert list(parse(["# March", "", "2026-03-01 rent -1 EUR"])) == [Entry("2026-03-01", "rent", -100, "EUR")]
'''
RATES = '''"""Amounts in other currencies."""

EURO_PER = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}


def in_euro(cents: int, currency: str) -> int:
    """Euro cents for an amount."""
    if currency not in EURO_PER:
        raise ValueError(f"unknown currency {currency}; known: {', '.join(sorted(EURO_PER))}")
    return int(cents * EURO_PER[currency])
'''
RATES_TEST = '''import pytest

from ledger.rates import in_euro


@pytest.mark.parametrize(("cents", "currency", "euros"), [(1250, "EUR", 1250), (-333, "USD", -306), (999, "GBP", 1169)])
def test_amounts_are_rounded_to_the_cent(cents, currency, euros):
    assert in_euro(cents, currency) == euros


def test_unknown_currencies_are_named():
    with pytest.raises(ValueError, match="XYZ"):
        in_euro(1, "XYZ")
'''
SUMMARY = '''"""Sums of a month."""

from collections.abc import Iterable

from ledger.parsing import parse
from ledger.rates import in_euro


def month_sum(lines: Iterable[str], month: str) -> int:
    """The sum of a month such as `2026-03`, in euro cents."""
    return sum(in_euro(entry.cents, entry.currency) for entry in parse(lines) if entry.day.startswith(month))
'''
SUMMARY_TEST = '''from ledger.summary import month_sum

LINES = ["# two months", "2026-03-01 rent -950.00 EUR", "2026-03-05 old bike 100.00 USD", "2026-04-01 rent -950.00 EUR"]


def test_sums_one_month_in_euros():
    assert month_sum(LINES, "2026-03") == -95000 + 9200
'''
README = '''# ledger

A small ledger, used to show what wt-orchestrate does.

## Lines

A line is a day, a text, an amount and a currency. Blank lines and lines that start with `#` are left out.

    2026-03-01 rent of the flat -950.00 EUR
'''


def commit(subject: str) -> None:
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-q", "-m", subject], check=True)


def step(path: str, text: str, subject: str) -> None:
    time.sleep(PAUSE_S)
    Path(path).write_text(text, encoding="utf-8")
    commit(subject)
    print(f"committed {path}: {subject}", flush=True)


def hand_off(summary: str, finding: str) -> None:
    Path(os.environ["WTO_HANDOFF"]).write_text(
        f"---\nstatus: done\nprogress: 100\n---\n## Summary\n{summary}\n\n## Findings\n- {finding}\n\n"
        "## Verification\nNone by the agent: the plan's check judges its work.\n",
        encoding="utf-8",
    )


def parsing() -> None:
    step("ledger/parsing.py", PARSER, "Read comments, blank lines and longer texts")
    step("tests/test_parsing.py", PARSER_TEST, "Test the longer lines")
    hand_off("`parse` reads a whole text; `parse_line` takes texts of several words.", "fact: amounts are kept in cents")


def rates(attempt: int) -> None:
    if attempt == 1:
        step("ledger/rates.py", RATES, "Know dollars and pounds")
        step("tests/test_rates.py", RATES_TEST, "Test the rates")
    else:
        fixed = RATES.replace("return int(cents * EURO_PER[currency])", "return round(cents * EURO_PER[currency])")
        step("ledger/rates.py", fixed, "Round to the cent instead of cutting")
    hand_off("`in_euro` knows USD and GBP.", "risk: the rates are fixed in the code")


def main() -> None:
    workstream = os.environ["WTO_WORKSTREAM"]
    if workstream == "parsing":
        parsing()
    elif workstream == "rates":
        rates(int(os.environ["WTO_ATTEMPT"]))
    elif workstream == "docs":
        step("README.md", README, "Say how the ledger is used")
        hand_off("README.md explains the format of a line.", "convention: examples are indented by four")
    elif workstream == "summary":
        step("ledger/summary.py", SUMMARY, "Sum a month in euros")
        step("tests/test_summary.py", SUMMARY_TEST, "Test the sum of a month")
        hand_off("`month_sum` sums a month in euro cents.", "fact: days are compared as text")
    else:
        sys.exit(f"the demo has no workstream {workstream}")


main()
