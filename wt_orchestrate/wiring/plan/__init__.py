"""Plans, settings and roles from files, and drafting a plan with an agent.

Belongs here: what is read before a run exists.
Does not: starting a run (`wiring/run`), rules of a plan (`domain/plan`).
"""
