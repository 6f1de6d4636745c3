"""The present of a run for people and programs. Used by the faces; decides nothing.

Belongs here: a sentence, a table or a JSON value about now: conditions, evidence with its age, the story with causes.
Does not: the past as a whole (`report`), colours and columns (`cli/screen`).
"""
