"""Files as the operating system has them: locks, reading where others write, and files that are replaced whole.

Belongs here: what several adapters need to touch files safely, on the operating system alone; each module says what it
promises, and is proven once (tests/integration/osfiles).
Does not: words for people (callers turn an `OSError` into a `WtError`), anything that domain, ports or engine would use, and
the keeper's own copies: it is a script that imports nothing of ours.
"""
