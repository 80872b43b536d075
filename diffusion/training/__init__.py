"""Everything between a preset and a finished run."""
