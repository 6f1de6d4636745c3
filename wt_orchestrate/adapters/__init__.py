"""The outside world behind the ports: git, agents, processes, stores, forges, files, clocks.

Belongs here: one module or folder for each neighbour; it implements a port and may know the domain's values.
Does not: another adapter, the engine, a rule.
"""
