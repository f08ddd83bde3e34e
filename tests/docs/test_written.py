"""TOML and JSON of the documentation are what they say they are."""

import json
import tomllib

import pytest

from perfectlook.recommender import Rules
from perfectlook.training.config import TrainingConfig, read_config
from printed import PAGES, Block, blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_toml_is_taken_by_what_it_is_for(block: Block, tmp_path):
    file = tmp_path / "file.toml"
    file.write_text(block.text, encoding="utf-8")
    if "[[rule]]" in block.text:
        assert Rules.read(file)
    elif "[model]" in block.text or "[training]" in block.text:
        assert TrainingConfig().replaced(read_config(file))
    else:
        assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "json"], ids=str)
def test_json_is_json(block: Block):
    assert json.loads(block.text)
