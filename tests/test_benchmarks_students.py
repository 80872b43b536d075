"""The figures of a student beside its teacher, on few samples of the digits that are shipped."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import CHECKPOINTS

from benchmarks import students
from diffusion.models.folder import CheckpointError

FEW = ["--num", "20", "--sets", "2"]


@pytest.fixture
def student(tmp_path):
    return Path(shutil.copytree(CHECKPOINTS / "mnist-student", tmp_path / "mnist-student"))


def test_a_student_of_digits_is_judged_beside_its_teacher(student, data_dir, capsys):
    (student / "metrics.json").unlink()
    options = students.parse_arguments(
        [str(student), str(CHECKPOINTS / "mnist"), "--data-dir", str(data_dir), *FEW]
    )
    students.main(options)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    judged = [row for row in rows if row[0] in ("student", "teacher")]
    recognised = {tuple(row[:3]): float(row[4].split()[0]) for row in judged}
    assert recognised["student", "ddpm", "1"] > recognised["teacher", "dpm++2m", "1"]
    [shares] = [row[1:] for row in rows if row[0] == "student, 4 calls"]
    assert sum(float(share.rstrip("%")) for share in shares) == pytest.approx(100, abs=0.5)
    metrics = json.loads((student / "metrics.json").read_text("utf-8"))
    least, most = sorted(float(share.rstrip("%")) for share in shares)[:: len(shares) - 1]
    told = f"each is {least:.1f}% to {most:.1f}% of 40 samples"
    assert metrics["classes in 4 calls, none asked for"] == told
    assert told in (student / "README.md").read_text("utf-8")


def test_a_model_is_compared_with_its_own_teacher_alone(student, data_dir):
    options = students.parse_arguments([str(student), str(CHECKPOINTS / "mnist-linear"), *FEW])
    with pytest.raises(CheckpointError, match="is no student of"):
        students.main(options)
