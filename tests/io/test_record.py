"""The record inside a .tflite file."""

import hashlib
import json
import zipfile

import pytest

from tfctc.errors import ArtefactError
from tfctc.io.record import append_record, read_record

#: Looks like a flatbuffer as far as the seal goes.
FLATBUFFER = b"\x1c\x00\x00\x00TFL3" + bytes(range(256)) * 8
RECORD = {"schema": 1, "name": "m", "classes": ["leukocyte", "Zelle µ"]}


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(FLATBUFFER)
    append_record(path, RECORD)
    return path


def test_what_goes_in_comes_out_and_the_network_is_untouched(sealed):
    flatbuffer, record = read_record(sealed)
    assert flatbuffer == FLATBUFFER and sealed.read_bytes().startswith(FLATBUFFER)
    digest = hashlib.sha256(FLATBUFFER).hexdigest()
    assert record == RECORD | {"flatbuffer": {"bytes": len(FLATBUFFER), "sha256": digest}}


def test_any_zip_tool_reads_it(sealed):
    with zipfile.ZipFile(sealed) as archive:
        assert archive.namelist() == ["tfctc.json"] and archive.testzip() is None
        assert json.loads(archive.read("tfctc.json"))["name"] == "m"


def test_the_same_content_gives_the_same_bytes(sealed, tmp_path):
    again = tmp_path / "again.tflite"
    again.write_bytes(FLATBUFFER)
    append_record(again, RECORD)
    assert again.read_bytes() == sealed.read_bytes()


def damaged(content):
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "truncated"),
        (lambda content: content[: len(FLATBUFFER)], "truncated, or not written by tfctc"),
        (lambda content: content[:200], "truncated"),
        (lambda content: b"", "is not a TFLite file"),
        (lambda content: b"\x89PNG\r\n\x1a\n" + content, "is not a TFLite file"),
        (damaged, "is damaged"),
        (lambda content: content.replace(b'"schema": 1', b'"schema": 2'), "truncated"),
    ],
    ids=["end cut", "record cut", "network cut", "empty", "image", "bit flipped", "record edited"],
)
def test_what_is_not_what_was_written_is_refused(sealed, change, message):
    sealed.write_bytes(change(sealed.read_bytes()))
    with pytest.raises(ArtefactError, match=message) as caught:
        read_record(sealed)
    assert caught.value.path == str(sealed)


def test_whatever_bit_of_the_record_is_flipped_it_is_the_same_or_refused(sealed):
    whole, expected, refused = bytearray(sealed.read_bytes()), read_record(sealed), 0
    for bit in range(8 * len(FLATBUFFER), 8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        sealed.write_bytes(whole)
        whole[bit // 8] ^= 1 << bit % 8
        try:
            assert read_record(sealed) == expected
        except ArtefactError as error:
            refused += 1
            assert str(error).startswith(str(sealed))
    assert refused > 4 * (len(whole) - len(FLATBUFFER))


def test_a_record_of_another_schema_or_none_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    for record, message in (({"schema": 2}, "schema 2, 1 expected"), ({}, "schema None")):
        path.write_bytes(FLATBUFFER)
        append_record(path, record)
        with pytest.raises(ArtefactError, match=message):
            read_record(path)
    path.write_bytes(FLATBUFFER)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tfctc.json", "[]")
    with pytest.raises(ArtefactError, match="not written by tfctc"):
        read_record(path)
    with pytest.raises(ArtefactError, match="No such file"):
        read_record(tmp_path / "nowhere.tflite")
    with pytest.raises(ArtefactError, match="directory"):
        read_record(tmp_path)


def test_it_and_the_manifest_are_held_against_the_list_beside_them(sealed):
    manifest, sums = sealed.with_name("manifest.json"), sealed.with_name("SHA256SUMS")
    manifest.write_text("{}")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (sealed, manifest)}
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    read_record(sealed)
    for name in digests:
        sums.write_text("".join(f"{'0' * 64 if n == name else digest}  {n}\n" for n, digest in digests.items()))
        with pytest.raises(ArtefactError, match=f"{name}: is not the file that SHA256SUMS"):
            read_record(sealed)
    sums.write_text("no list")
    with pytest.raises(ArtefactError, match="SHA256SUMS: is damaged"):
        read_record(sealed)
    # A renamed copy, or a list of something else, says nothing of it.
    sums.write_text(f"{'0' * 64}  other.tflite\n")
    read_record(sealed)
