"""What an ended attempt, a claim, a check or a review means for its workstream: go on, retry, escalate, fail.

Belongs here: a rule that judges something that has just ended.
Does not: what may start next (`schedule`), the retry ladder's values (`plan/retry_ladder`), combined trees (`train`).
"""
