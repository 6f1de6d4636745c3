from ledger.rates import in_euro


def test_euros_stay_euros():
    assert in_euro(1250, "EUR") == 1250
