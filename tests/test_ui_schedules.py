"""The tab Schedules: which two models are shown side by side."""

from dataclasses import replace

from diffusion.ui.tabs import schedules


def test_a_pair_is_trained_alike_in_all_but_the_schedule(tiny_model):
    def model(schedule, **about):
        settings = {"schedule": schedule, "seed": 0}
        about = {"settings": settings, "data": "d", "images_seen": 8} | about
        return replace(tiny_model, schedule_name=schedule, about=about)

    cosine, linear = model("cosine"), model("linear")
    assert list(schedules.trained_pair({"a": cosine, "b": linear})) == ["linear", "cosine"]
    assert schedules.trained_pair({"a": cosine, "b": model("linear", images_seen=9)}) is None
    assert schedules.trained_pair({"a": cosine, "b": model("cosine")}) is None
    assert schedules.trained_pair({"a": tiny_model, "b": tiny_model}) is None
