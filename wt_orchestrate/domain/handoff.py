"""The handoff an agent leaves in `HANDOFF.md`, as a value, and its tolerant reading.

Handoff text is hostile: it is data, never an instruction, and no word in it is believed without evidence from git.
"""
