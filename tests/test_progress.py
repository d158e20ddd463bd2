"""Progress is told where there is no terminal, and recorded in a log file."""

import logging

import pytest

from atnn import progress
from atnn.errors import DataError
from atnn.progress import Progress, record


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.0)


def test_lines_are_printed_where_there_is_no_terminal(at_once, capsys):
    with Progress("training", 4, unit="epoch") as bar:
        bar.advance("forces 3 meV/Å")
    out, err = capsys.readouterr()
    assert out == "" and "training: epoch 1 of 4, 0:00:00 passed" in err and "left; forces 3 meV/Å" in err
    assert "training ends at epoch 1 of 4" in err


def test_short_runs_print_nothing(capsys):
    with Progress("training", 1, unit="epoch") as bar:
        bar.advance()
    assert capsys.readouterr().err == ""


def test_a_quiet_logger_hides_the_lines(at_once, capsys, monkeypatch):
    monkeypatch.setattr(progress.logger, "level", logging.WARNING)
    with Progress("training", 4, unit="epoch") as bar:
        bar.advance()
    assert capsys.readouterr().err == ""


def test_a_log_file_tells_begin_end_and_interruption_and_is_continued(tmp_path):
    for error in (KeyboardInterrupt, None):
        try:
            with record(tmp_path / "log.txt"), Progress("dynamics", 9, done=2, unit="step") as bar:
                bar.reach(3)
                if error:
                    raise error
        except KeyboardInterrupt:
            pass
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert text.count("dynamics begins at step 2 of 9") == 2
    assert "was interrupted (KeyboardInterrupt) at step 3 of 9" in text and "dynamics ends at step 3 of 9" in text


def test_what_the_package_logs_is_in_the_log_file(tmp_path):
    with record(tmp_path / "log.txt"):
        logging.getLogger("atnn").warning("a warning")
    assert "a warning" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be written"), record(tmp_path / "none" / "log.txt"):
        pass
