"""What people ask for, as checked values: plan, settings, roles, permissions, scopes, the dependency graph and its
validation.

Belongs here: anything that can be said of a plan before a run exists.
Does not: reading YAML (`adapters/planfile`), what happens in a run (`events`, `state`), drafting a plan with an agent
(`drafting`).
"""
