"""What merging many sides would come to, uncommitted work included. Leaves nothing behind.

Belongs here: comparing sides before anything is merged.
Does not: merges that are kept (`gitrepo/merge`).
"""
