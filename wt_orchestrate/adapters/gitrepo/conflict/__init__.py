"""Conflicts resolved by rules that people approved: recorded resolutions, merge drivers, union, regenerated lockfiles.

Belongs here: resolving without asking anybody.
Does not: the arbiter agent (`domain/train/arbiter`), the proof of a resolution (`gitrepo/proof`).
"""
