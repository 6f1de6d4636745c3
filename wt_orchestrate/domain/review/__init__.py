"""What people and reviewing agents look at and say: review packets, flags, comments, reviewers, pull request feedback.

Belongs here: rules about looking at finished work.
Does not: checks (`train`, `state/checks`), how a packet is shown (`cli/commands/review`, `cli/html`), forges
(`engine/pull_requests`).
"""
