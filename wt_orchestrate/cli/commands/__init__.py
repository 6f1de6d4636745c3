"""One file for each group of verbs: parse the words, ask through the wiring, show the answer.

Belongs here: options, their help, and which screen shows the answer.
Does not: a rule (`domain`), a layout that two commands share (`cli/screen`).
"""
