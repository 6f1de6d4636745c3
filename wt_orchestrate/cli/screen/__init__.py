"""What commands share for a terminal: colours and symbols, the status table, the live board, following a run, hunks, stages.

Belongs here: layout of text that more than one command shows.
Does not: options and words of one command (`cli/commands`), HTML (`cli/html`).
"""
