"""The page: one module a tab, the scrubber they share, and the public API."""
