"""What agents and checks are started in: a sandbox that leaves them their own files, and hides or locks the rest.

Belongs here: the command that a process is wrapped into, for each kind of sandbox, and the attempt to break out of it that
says whether it holds on this machine.
Does not: which processes run in it (`executor`), what agents may do by their client's own rules (`agents`).
"""
