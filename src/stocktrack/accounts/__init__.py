"""Who may log in: passwords, tokens, and how often a wrong one may be tried."""
