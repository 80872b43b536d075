"""What samplers did, kept: films, sheets of samples, a run's history, the atlas of emoji."""
