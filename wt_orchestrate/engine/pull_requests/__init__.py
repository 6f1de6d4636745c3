"""Pull requests of workstreams: opened, kept up to date, and their comments, checks and merges taken in.

Belongs here: what is done through the forge port.
Does not: one forge's interface (`adapters/forge`), what feedback means (`domain/review/pr_feedback`).
"""
