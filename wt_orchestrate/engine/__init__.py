"""The turn: readings become events, events fold into state, the machine asks for effects, effects are performed.

When an agent's process ends, for example: `readings.read_end` > `domain/observation` > `domain/verdict` > `effects/`.
Belongs here: the supervisor's loop, reading, recovery, requests; all of it through ports.
Does not: a decision (`domain`), an adapter, a file, a process, a clock (they come in through `world`).
"""
