"""What merging many sides would give, uncommitted work included. Leaves nothing behind.

Belongs here: comparing sides before anything is merged.
Does not: merges that are kept (`gitrepo/merge`), what is done about a forecast (`domain/train/forecast`).
"""
