"""One module a tab; a tab imports no other tab."""
