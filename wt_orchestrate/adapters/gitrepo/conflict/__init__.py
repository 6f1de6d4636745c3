"""Conflicts settled by what people decided beforehand: recorded resolutions, merge drivers, union, regenerated lockfiles.

Belongs here: settling without asking anybody.
Does not: the arbiter agent (`domain/train/arbiter`), the proof of a resolution (`gitrepo/proof`).
"""
