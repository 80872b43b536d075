"""What prepares data and releases; run them from the repository's root.

    python -m tools.decode     a data set decoded once, for all that reads it afterwards
    python -m tools.ship       a finished run's folder, small enough to publish
    python -m tools.pictures   the README's pictures

They need what the tests need.
"""

from diffusion.console import escape_output

escape_output()
