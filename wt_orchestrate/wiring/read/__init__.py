"""What looking commands show, read from the log and the vault without a supervisor: a run, reports, the forecast, reviews.

Belongs here: reading that changes nothing.
Does not: requests (`wiring/requests`), layout of the output (`cli`).
"""
