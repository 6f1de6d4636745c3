"""Events into state, one file a subject. The only writer of the state, and it decides nothing. One door: `fold.run`.

Belongs here: how one kind of event changes the state.
Does not: a decision (`verdict`, `train`, `schedule`), a question about the state (`state`), anything that reads a clock
or the world.
"""
