"""One suite for each port, run against the real adapter and against the fake that other tests use.

Belongs here: what every implementation of a port promises.
"""
