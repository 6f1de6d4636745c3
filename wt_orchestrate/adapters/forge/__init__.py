"""Forges: GitHub (by its client or by REST), GitLab, and Gitea or Forgejo, each behind the same port."""
