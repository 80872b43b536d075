"""How long the page takes to start, against importing the two libraries it is made with.

    python -m benchmarks.startup

Prints the seconds from `python app.py` to the first HTTP 200 on /, beside those of a bare
`python -c "import gradio, torch"`, in turns and after one warm-up of each. About a minute.
"""

import argparse
import os
import subprocess
import sys
import time

from benchmarks.common import OFFLINE, in_turns, ratio_table, serving

BARE = "import gradio, torch"


def seconds_to_import() -> float:
    """Of a fresh interpreter, until it has ended."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], env=os.environ | OFFLINE, check=True)
    return time.perf_counter() - started


def seconds_to_serve(app: str) -> float:
    """Until the first answer with status 200."""
    with serving(app) as (_, seconds):
        return seconds


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", default="app.py", help="the script that serves the page")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    contestants = {
        f'python -c "{BARE}"': seconds_to_import,
        f"python {options.app} → HTTP 200": lambda: seconds_to_serve(options.app),
    }
    print(ratio_table("start", in_turns(contestants, options.repeats)))
    print(f"\n{options.repeats} rounds")


if __name__ == "__main__":
    main(parse_arguments())
