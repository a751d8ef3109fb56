"""`tfctc report` as a user types it."""

import shutil

from click.testing import CliRunner

from tfctc.cli import main


def test_the_command_writes_the_page_and_names_it(journey, tmp_path):
    shutil.copytree(journey.run, tmp_path / "run")
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run"), "--cells", "4"])
    assert result.exit_code == 0, result.output
    page = tmp_path / "run" / "report.html"
    assert f"Wrote {page} and {page.with_suffix('.json')}." in result.output
    assert f"Next: tfctc export {tmp_path / 'run'}" in result.output
    assert "The worst of these changes is" in page.read_text(encoding="utf-8")


def test_evaluate_writes_the_page_without_saliency_and_robustness(journey):
    assert f"{journey.run / 'report.html'}" in journey.output
    text = (journey.run / "report.html").read_text(encoding="utf-8")
    assert "Saliency and robustness were not measured: tfctc report" in text


def test_mistakes_are_one_line(journey, tmp_path):
    for arguments in ([tmp_path / "none"], [journey.run, "--cells", "1"], [journey.data]):
        result = CliRunner().invoke(main, ["report", *map(str, arguments)])
        assert result.exit_code == 2 and "Traceback" not in result.output
