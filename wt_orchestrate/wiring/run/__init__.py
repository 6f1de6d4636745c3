"""Runs: started, supervised, and branches of people queued into them.

Belongs here: what a run needs around its supervisor.
Does not: what only looks (`wiring/read`), requests to a run (`wiring/requests`).
"""
