"""One command for each number that the documentation prints; run them from the repository's root.

    python -m benchmarks.classifier   the small classifiers that quality is measured with
    python -m benchmarks.quality      recognised samples, Fréchet distance, bits/dim, steps against quality
    python -m benchmarks.cats         whether cats are new ones, and those that were asked for
    python -m benchmarks.prompts      whether a text model draws what its prompt says
    python -m benchmarks.race         samplers side by side: shared calls, the reference, equal quality
    python -m benchmarks.sampling     seconds per network call and per picture, against diffusers
    python -m benchmarks.drawing      seconds until a prompt is drawn, as the page does it
    python -m benchmarks.startup      until the page answers, against importing its two libraries
    python -m benchmarks.scrub        from the slider to the screen, against a plain Gradio app
    python -m benchmarks.throughput   how fast training is, and what each trick gives, against other trainers
    python -m benchmarks.peer         quality beside another library's after the same time of training
    python -m benchmarks.gpu_slot     all that a borrowed GPU is to do in half an hour

They need what the tests need, and nothing else should run on the machine meanwhile. Behind them: samples
(drawing what is judged), figures and curves (metrics.json and curves.json), metrics, gallery (finding emoji
again), variants and peer_steps (ways to train), loading, background (parts that outlive a call), plain_slider
and common.
"""

from diffusion.console import escape_output

escape_output()
