"""Forges behind one port: GitHub (by its client or by REST), GitLab, Gitea or Forgejo, and pagure.

Belongs here: one module for each forge, and in `registry` how a remote's forge is recognised.
Does not: what is done with a pull request (`engine/pull_requests`), what its comments mean (`domain/review`).
"""
