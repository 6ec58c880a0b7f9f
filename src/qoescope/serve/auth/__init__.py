"""Auth: passwords, tokens, logins, roles, and limits on sign-in attempts; no HTTP."""
