"""How any process of ours lives and ends. Each is owned by a keeper that outlives us; see `keeper.py`."""
