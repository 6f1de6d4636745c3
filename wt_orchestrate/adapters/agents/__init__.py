"""How agents are called and their streams read: one module for each type, one line each in `registry.py`."""
