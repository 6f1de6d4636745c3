"""Events into state, one file for each subject. The only writer of the state; it decides nothing. Others use `fold.run`.

Belongs here: how one kind of event changes the state.
Does not: a decision (`verdict`, `train`, `schedule`), a question about the state (`state`), anything that reads a clock
or the world.
"""
