"""Text that others wrote, made safe to read and show: cleaned, secrets masked, injection patterns flagged, diffs parsed.

Belongs here: a function from text to text or to values that knows no plan and no run.
Does not: handoffs and notes (`agent`), how things look on a screen (`cli/screen`).
"""
