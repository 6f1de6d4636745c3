"""Tests. CONTRIBUTING.md says which folder a test belongs in; docs/reliability.md lists the promises.

A test of a promise has its id in its name: L1 (work lands exactly once) is proven by the tests named `test_L1_...`.
"""
