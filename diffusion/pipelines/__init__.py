"""diffusers' pipelines, filmed; optional."""
