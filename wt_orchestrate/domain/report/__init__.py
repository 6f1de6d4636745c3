"""A run as a whole, for people and programs: where time went, what parallel work saved, what was learned. Decides nothing.

Belongs here: a figure or a text about a whole run or all runs.
Does not: the present (`status`), stored entries of the memory (`memory`).
"""
