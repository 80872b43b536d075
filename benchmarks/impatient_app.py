"""The program as `python app.py` runs it, but for its patience: uploads are deleted within seconds.

    MODEL=… python -m benchmarks.impatient_app EVERY AFTER SECONDS

Every how many seconds uploads are looked at, after how many they are deleted, and how long a body may take.
"""

import sys

import app
from diffusion.ui.parts.environment import prepare_environment


def main() -> None:
    every, after, seconds = map(int, sys.argv[1:])
    prepare_environment()
    from diffusion.ui import page
    from diffusion.ui.parts import gate

    page.DELETE_EVERY, page.DELETE_AFTER, gate.SECONDS = every, after, seconds
    app.main()


if __name__ == "__main__":
    main()
