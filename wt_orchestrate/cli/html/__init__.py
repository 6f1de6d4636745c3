"""The review packet as one HTML page that runs nothing and loads nothing.

Belongs here: elements, the page, its diffs.
Does not: what a packet holds (`domain/review/packet`).
"""
