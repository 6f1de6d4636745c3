"""Stories from a plan to its landing, with everything real; `test_real_*` also start the real Claude Code client.

Belongs here: that a promise holds for a user, such as `test_land` (landing exactly once) and `test_crash` (kill -9).
Does not: rules that `tests/unit` can answer.
"""
