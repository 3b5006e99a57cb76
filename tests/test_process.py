"""How a process keeps house and ends."""

import gc
import subprocess
import sys

from tasks.process import collect_seldom


def test_what_a_log_handler_holds_back_is_written_before_the_process_ends(tmp_path):
    code = """if True:
        import logging.handlers, sys
        from tasks.process import leave

        file = logging.FileHandler(sys.argv[1])
        logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=file))
        logging.warning("held back")
        leave(3)
    """
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "log"], check=False)

    assert ended.returncode == 3
    assert (tmp_path / "log").read_text() == "held back\n"


def test_garbage_is_looked_for_less_often_than_python_does_by_itself():
    before = gc.get_threshold()
    by_itself = 700
    gc.set_threshold(by_itself, 10, 10)
    try:
        collect_seldom()
        assert gc.get_threshold()[0] > by_itself
    finally:
        gc.set_threshold(*before)
