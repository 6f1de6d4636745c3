"""The command line: parses, asks the engine through the wiring, shows. No rules of the trade.

`app` is the table of commands, `boundary` the one place where errors become messages and exit codes; commands/ has one
file for each group of verbs, screen/ what they share for a terminal, html/ the review page. A module is imported only
when its command is called.
"""
