"""The only place that picks adapters and hands them to the engine, and the only reader of the process's environment.

Adapters are imported inside functions, so that a command pays at start only for what it uses
(docs/decisions/0005-lazy-imports-in-wiring.md).
Belongs here: which adapter, with which settings and paths; what the faces (`cli`, `mcp_server`) call.
Does not: a rule (`domain`), output (`cli`).
"""
