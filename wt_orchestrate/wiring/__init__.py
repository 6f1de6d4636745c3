"""The only place that picks adapters and hands them to the engine, and the only reader of the process's environment.

Adapters are imported inside functions here, and only here, so that a command pays at start for what it uses
(docs/decisions/0005-lazy-imports-in-wiring.md). The faces (`cli`, `mcp_server`) call the engine and the adapters
through this folder.
Belongs here: which adapter, with which settings and paths. Does not: a rule (`domain`), output (`cli`).
"""
