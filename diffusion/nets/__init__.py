"""The networks, and what they cost."""
