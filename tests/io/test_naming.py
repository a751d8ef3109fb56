"""Templates and patterns: groups of a path, against regular expressions as an oracle; what cannot be used."""

import itertools
import re

import pytest

from tfctc.cells import FileNaming
from tfctc.errors import ConfigError
from tfctc.io.naming import Names, Template


def groups(template, path, **naming):
    match = Names(FileNaming((template,), **naming)).match(path)
    return match and dict(match.groups)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("{patient}/{cell}_{channel}.tif", "p1/a_b_BF.tif", {"patient": "p1", "cell": "a_b", "channel": "BF"}),
        ("{patient}/{cell}_{channel}.tif", "p1/a_b_BF.TIF", {"patient": "p1", "cell": "a_b", "channel": "BF"}),
        ("{patient}/{cell}_{channel}.tif", "x/p1/a_BF.tif", None),
        ("{patient}/{cell}_{channel}.tif", "p1/a_BF.png", None),
        ("**/{patient}/{cell}_{channel}.tif", "x/y/p1/a_BF.tif", {"patient": "p1", "cell": "a", "channel": "BF"}),
        ("**/{patient}/{cell}_{channel}.tif", "p1/a_BF.tif", {"patient": "p1", "cell": "a", "channel": "BF"}),
        ("{patient}/{channel}/{cell}.tif", "p1/DAPI/01.tif", {"patient": "p1", "cell": "01", "channel": "DAPI"}),
        ("{channel}-{cell}.tif", "DAPI-x-1.tif", {"cell": "x-1", "channel": "DAPI"}),
        ("{cell}_{channel}.tif", "a_b_CD45.tif", {"cell": "a_b", "channel": "CD45"}),
        (
            "{patient}/{patient}_{cell}_{channel}.tif",
            "p_1/p_1_7_BF.tif",
            {"patient": "p_1", "cell": "7", "channel": "BF"},
        ),
        ("{patient}/{patient}_{cell}_{channel}.tif", "p1/p2_7_BF.tif", None),
        ("*/{cell}_{channel}.tif", "anything/7_BF.tif", {"cell": "7", "channel": "BF"}),
        ("img[1]_{cell}_{channel}.tif", "img[1]_7_BF.tif", {"cell": "7", "channel": "BF"}),
        ("{cell}_{channel}.tif", "_BF.tif", None),
        ("{cell}_{channel}.ome.tif", "7_BF.ome.tif", {"cell": "7", "channel": "BF"}),
        ("{channel}/Mu\u0308ller/{cell}.tif", "BF/M\u00fcller/1.tif", {"cell": "1", "channel": "BF"}),
    ],
)
def test_a_template_gives_the_groups_of_a_path(template, path, expected):
    assert groups(template, path) == expected


def test_a_template_finds_every_way_that_a_regular_expression_finds():
    """The oracle tries every length of every group."""
    template, path = Template("{a}_{b}-{c}.x"), "1_2_3-4-5_6-7.x"
    expected = {
        (path[:i], path[i + 1 : j], path[j + 1 : -2])
        for i, j in itertools.combinations(range(len(path) - 2), 2)
        if re.fullmatch(r"[^/]+_[^/]+-[^/]+\.x", path) and path[i] == "_" and path[j] == "-" and i > 0 and j > i + 1
    }
    assert {(way["a"], way["b"], way["c"]) for way in template.fits(path)} == expected and len(expected) > 3


def test_a_name_that_fits_in_two_ways_is_asked_about():
    message = "P_1_7_BF.tif: fits --files .* in two ways: patient P, cell 1_7, channel BF; or patient P_1, cell 7"
    with pytest.raises(ConfigError, match=message):
        groups("{patient}_{cell}_{channel}.tif", "P_1_7_BF.tif")


def test_the_known_channel_decides_between_ways():
    assert groups("{cell}_{channel}.tif", "7_BF_w1.tif", channels={"BF_w1": "brightfield"})["cell"] == "7"
    match = Names(FileNaming(("{channel}_{cell}.tif",), channels={"C1": "brightfield"})).match("C1_a_b.tif")
    assert (match.groups["cell"], match.channel) == ("a_b", "brightfield")


def test_the_first_template_that_fits_counts():
    names = Names(FileNaming(("{patient}/{cell}_{channel}.tif", "{cell}_{channel}.tif")))
    assert names.match("p/1_BF.tif").groups["patient"] == "p" and "patient" not in names.match("1_BF.tif").groups


def test_ids_are_composed_of_groups_and_of_columns():
    names = Names(FileNaming(("{patient}/{cell}_{channel}.tif",), cell_id="{patient}-{cell}"))
    assert names.compose({"patient": "p", "cell": "7"}) == "p-7" == names.compose_values(["p", "7"])
    assert names.compose_values(["x"]) == "x" and names.compose_values(["a", "b", "c"]) == "a/b/c"
    stack = Names(FileNaming(("{patient}.tif",), planes="cells"))
    assert stack.cell_id == "{patient}" and stack.compose_values(["p", "7"]) == "p/7"


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        (FileNaming(), "one of --files and --pattern is needed, got neither"),
        (FileNaming(("{cell}",), "x"), "one of --files and --pattern is needed, got both"),
        (FileNaming(("{patient}_{channel}.tif",)), "lacks the group cell"),
        (FileNaming(("{patient}_{channel}.tif",), cell_id="{patient}"), "lacks the group cell"),
        (FileNaming(("{cell_{channel}.tif",)), "has a brace without its partner"),
        (FileNaming(("{cell}_{}.tif",)), "has an empty group"),
        (FileNaming(("",)), "--files is empty"),
        (FileNaming(("{cell}_{chanel}.tif",)), "unknown group 'chanel'"),
        (FileNaming(("{cell}_{channel}.tif",), cell_id="{patient}"), "--cell-id has the group patient, which"),
        (FileNaming(("{cell}_{channel}.tif",), cell_id="7"), "--cell-id '7' cannot be used"),
        (FileNaming(("{cell}.tif",), channels={"x": "red"}), "unknown channel 'red'"),
        (FileNaming(("{cell}.tif",), channels={"--": "dapi"}), "a name needs a letter or a digit"),
        (FileNaming(pattern="("), "--pattern is not a regular expression"),
        (FileNaming(pattern="(?P<cell>x)(?P<lable>y)"), "unknown group 'lable'"),
    ],
)
def test_a_naming_that_cannot_be_used_says_why(naming, message):
    with pytest.raises(ConfigError, match=message):
        Names(naming)


def test_a_further_group_may_be_part_of_the_id():
    naming = FileNaming(("{run}/{cell}_{channel}.tif",), cell_id="{run}/{cell}")
    match = Names(naming).match("r1/7_BF.tif")
    assert Names(naming).compose(match.groups) == "r1/7"


def test_a_template_without_a_group_of_the_id_does_not_fit():
    naming = FileNaming(("{patient}/{cell}_{channel}.tif", "{cell}_{channel}.tif"), cell_id="{patient}/{cell}")
    assert Names(naming).match("1_BF.tif") is None and Names(naming).match("p/1_BF.tif") is not None
