"""Rules without the outside world, one file for each module, in the same folders as the package.

Belongs here: anything that needs no git, process, file or clock. The whole folder takes under 30 s.
"""
