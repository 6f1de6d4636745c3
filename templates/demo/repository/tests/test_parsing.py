from ledger.parsing import Entry, parse_line


def test_parses_an_entry():
    assert parse_line("2026-03-01 rent -950.00 EUR") == Entry("2026-03-01", "rent", -95000, "EUR")
