"""What it means for a workstream that its agent's process ended, or that a claim, check or review did: go on, retry,
escalate, fail.

Belongs here: a rule that judges something that has just ended.
Does not: what may start next (`schedule`), the retry ladder's values (`plan/retry_ladder`), combined trees (`train`).
"""
