"""One command for each number the README prints; run them from the repository's root.

    python -m benchmarks.classifier   the digit classifier that the quality is measured with
    python -m benchmarks.quality      recognised samples, Fréchet distance, bits/dim, steps against quality
    python -m benchmarks.sampling     seconds per network call and per picture, against diffusers
    python -m benchmarks.startup      until the page answers, against importing its two libraries
    python -m benchmarks.scrub        from the slider to the screen, against a plain Gradio app

They need what the tests need, and nothing else should run on the machine meanwhile.
"""
