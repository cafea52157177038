"""What a training took in all, from cards as baselines.train and baselines.average leave them."""

import json

import pytest

from baselines.average import joint_card
from baselines.iat.codec import IATCodec
from baselines.learned.budget import budget
from baselines.learned.files import SHIPPED
from baselines.xie.codec import XieCodec


def trained(minutes, before=None):
    training = {"iterations": 10, "images_seen": 20, "minutes": minutes, "device": "a GPU", "commit": "abc"}
    return {"training": training | ({"before": before["training"]} if before else {})}


@pytest.fixture
def averaged(tmp_path):
    files = [tmp_path / "one", tmp_path / "other"]
    for file in files:
        file.write_text(file.name)
    return lambda one, other: joint_card(one, other, files, 0.5)


def test_one_training_is_all_there_is():
    assert budget(trained(3.0)) == {
        "iterations": 10,
        "images_seen": 20,
        "minutes": 3.0,
        "device": "a GPU",
        "commit": "abc",
        "in_all": {"iterations": 10, "images_seen": 20, "minutes": 3.0},
    }


def test_trainings_before_count():
    found = budget(trained(1.0, trained(2.0, trained(4.0))))
    assert (found["minutes"], found["in_all"]["minutes"], found["in_all"]["iterations"]) == (1.0, 7.0, 30)


def test_both_parts_of_an_average_count_once_and_what_they_began_with_once(averaged):
    start = trained(100.0)
    both = averaged(trained(1.0, start), trained(2.0, start))
    assert budget(both)["in_all"]["minutes"] == 103.0
    assert budget(trained(10.0, both))["in_all"]["minutes"] == 113.0
    three = averaged(both, trained(4.0, start))
    assert budget(three)["in_all"]["minutes"] == 107.0


def test_an_average_with_what_was_trained_on_from_it(averaged):
    start = trained(100.0)
    assert budget(averaged(start, trained(5.0, start)))["in_all"]["minutes"] == 105.0


def test_what_a_card_does_not_tell_is_none():
    assert budget({}) == dict.fromkeys(("iterations", "images_seen", "minutes", "device", "commit")) | {
        "in_all": dict.fromkeys(("iterations", "images_seen", "minutes"))
    }
    assert budget(trained(1.0, {"training": {"iterations": 5}}))["in_all"] == {
        "iterations": 15,
        "images_seen": None,
        "minutes": None,
    }


def test_shipped_codecs_state_what_their_page_states():
    assert IATCodec().identity()["training"]["in_all"]["minutes"] == pytest.approx(314 + 128, abs=1)
    assert [round(one["in_all"]["minutes"]) for one in XieCodec().identity()["training"]] == [140, 136, 140, 144]
    for file in SHIPPED.glob("*.json"):
        card = json.loads(file.read_text())
        assert budget(card)["in_all"] == card["training"]["in_all"]
        assert card["training"]["in_all"]["minutes"] >= 28
