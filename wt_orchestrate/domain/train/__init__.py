"""How verified work becomes one branch: its order, checks on combined trees, culprit search, conflicts and their arbiter,
forecast, landing.

Belongs here: a rule about work that is verified or about to be merged. `order` says who goes first.
Does not: whether a claim is true (`verdict/claim`), git itself (`adapters/gitrepo`), the values the rules read
(`state/train`).
"""
