"""`handnn info` shows versions, machine and environment."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import numpy as np

import handnn


def test_json_has_versions_machine_and_environment(handnn_command, monkeypatch):
    monkeypatch.setenv("HANDNN_SOMETHING", "3")
    code, out, err = handnn_command("info", "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert facts["versions"]["handnn"] == handnn.__version__
    assert facts["versions"]["numpy"] == np.__version__
    assert platform.python_version() in facts["versions"]["python"]
    assert handnn.cpu_info().items() <= facts["machine"].items()
    assert 1 <= facts["machine"]["usable_cores"] <= facts["machine"]["cores"]
    assert facts["environment"]["HANDNN_SOMETHING"] == "3"
    assert facts["required"]["click"] == metadata.version("click")
    assert "matplotlib" in facts["optional"]


def test_text_has_the_same_facts(handnn_command, monkeypatch):
    monkeypatch.setenv("HANDNN_SOMETHING", "3")
    monkeypatch.setattr("handnn.cli.machine.OPTIONAL_PACKAGES", ("no-such-package",))
    code, out, _ = handnn_command("info")
    assert code == 0
    assert "HANDNN_SOMETHING  3" in out
    assert "no-such-package  not installed" in out
    assert handnn.cpu_info()["isa"] in out
