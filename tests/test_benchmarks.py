"""What the benchmarks of speed share, and small real runs of them; the figures are theirs to measure."""

import pytest
import torch

from benchmarks import sampling, scrub, startup
from benchmarks.common import in_turns, markdown_table, ratio_table, serving
from diffusion import UNet, UNetConfig
from diffusion.nets.step_cost import num_parameters


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(1, num_classes=10),
        UNetConfig(3, 64, (1, 2, 4), 2, (1, 2), num_classes=10),
    ],
    ids=["mnist", "cifar10"],
)
def test_both_networks_have_as_many_parameters(config):
    with torch.device("meta"):
        ours = num_parameters(UNet(config))
    theirs = num_parameters(sampling.equal_unet2d(config, 32, ours))
    assert abs(theirs / ours - 1) < 0.15


def test_the_shape_of_a_preset_is_the_one_that_train_builds():
    net = sampling.untrained("cifar10").net
    assert net.config.channels == 64 and net.config.num_classes == 10
    assert 15e6 < num_parameters(net) < 17e6


def test_sampling_is_compared(digit_checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(sampling, "NUM_STEPS", 4)
    sampling.main(sampling.parse_arguments([str(digit_checkpoint), "--steps", "2", "--repeats", "1"]))
    out = capsys.readouterr().out
    assert "| diffusers, DDIMPipeline, 4 steps |" in out and "| ours, dpm++2m, 2 steps |" in out


def test_contestants_take_turns():
    order = []

    def contestant(name, seconds):
        return lambda: order.append(name) or seconds

    seconds = in_turns({"a": contestant("a", 2.0), "b": contestant("b", 1.0)}, repeats=2)
    assert order == ["a", "b"] * 3 and seconds == {"a": [2.0, 2.0], "b": [1.0, 1.0]}
    assert ratio_table("what", seconds).split("\n")[-1] == "| b | 1 | 1 – 1 | 0.50 |"


def test_markdown_table():
    assert markdown_table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_serving_waits_for_the_first_answer(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        "import http.server, os\n"
        "class Page(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "port = int(os.environ['GRADIO_SERVER_PORT'])\n"
        "http.server.HTTPServer(('127.0.0.1', port), Page).serve_forever()\n"
    )
    assert 0 < startup.seconds_to_serve(str(app)) < 60


def test_serving_says_when_the_app_ends():
    with pytest.raises(RuntimeError, match="exit code 3"), serving("-c", "raise SystemExit(3)"):
        pass


def test_scrub_report(capsys):
    slow, fast = scrub.Times([80.0, 100.0], [0.0, 0.0], 6), scrub.Times([16.0, 20.0], [1.0, 1.0], 0)
    assert slow + fast == scrub.Times([80.0, 100.0, 16.0, 20.0], [0.0, 0.0, 1.0, 1.0], 6)
    gestures = {"plain, keys": slow, "plain, mouse": slow, "ours, keys": fast, "ours, mouse": fast}
    scrub.report(gestures)
    out = capsys.readouterr().out
    assert "| ours, keys | 2 | 18.0 | 19.8 | 1.0 | 1.0 | 0 |" in out and "| keys | 5.0 | 5.0 |" in out


def test_arguments():
    assert sampling.parse_arguments([]).steps == 15 and startup.parse_arguments([]).app == "app.py"
    assert scrub.parse_arguments(["--rounds", "1"]).rounds == 1
