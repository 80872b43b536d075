"""What prepares a release; run them from the repository's root.

    python -m tools.ship       a finished run's folder, small enough to publish
    python -m tools.pictures   the README's pictures

They need what the tests need.
"""
