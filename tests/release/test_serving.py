"""A REST server under load answers every request, and refuses malformed ones."""

import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.release


def test_a_server_under_load_answers_every_request(version, evidence, environment):
    python = environment("kserve")
    # TensorFlow and tfctc are those of this environment.
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    here = [sysconfig.get_path("purelib"), str(Path(__file__).parents[2])]
    (packages / "zz_here.pth").write_text("\n".join(here) + "\n")
    found = evidence("serving", version, "--python", python, "--requests", 200, "--concurrent", 8)
    assert found["answered"] == 200 and found["wrong"] == 0 and found["answers_afterwards"]
    assert len(found["malformed"]) == 17
