"""Adapters, hooks and wiring with real git, processes, files and SQLite, in the same folders as the package.

Belongs here: one adapter at a time. Does not: agents or a whole run (`tests/e2e`).
"""
