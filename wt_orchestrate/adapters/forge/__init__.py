"""Forges: GitHub (by its client or by REST), GitLab, Gitea or Forgejo, and pagure, each behind the same port."""
