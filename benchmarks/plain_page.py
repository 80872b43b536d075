"""The bare Gradio page that `benchmarks.first_picture` compares with: one of each component of the first tab.

Run it on its own as `python -m benchmarks.plain_page`.
"""

import gradio as gr


def build() -> gr.Blocks:
    """A page with what the page's header, its first tab and its end are laid out with, and nothing in it."""
    with gr.Blocks() as demo:
        gr.HTML("<h1>Bare</h1>")
        with gr.Row(), gr.Tabs(), gr.Tab("First"):
            gr.HTML("<p id='shown'>shown</p>")
        with gr.Accordion("About", open=False):
            gr.Markdown("Nothing.")
    return demo


if __name__ == "__main__":
    build().launch(ssr_mode=False)
