"""What several tabs use; a part imports no tab."""
