"""`wto review`, `wto comment`, `wto proof`: what a person looks at before landing.

Belongs here: options and output of these commands.
Does not: what a packet holds (`domain/review/packet`), the HTML page (`cli/html`).
"""
