"""Protocols between the engine and the outside world, with their values: one file for each neighbour.

Belongs here: what the engine needs from an adapter, said so that a fake can do it too; each port has a contract suite
in tests/contract.
Does not: an implementation (`adapters`), a type of a library.
"""
