"""How a process of Espalier begins and ends."""

import subprocess
import sys


def test_what_a_log_handler_holds_back_is_written_before_the_process_ends(tmp_path):
    code = """if True:
        import logging.handlers, sys
        from flows.environment import leave

        file = logging.FileHandler(sys.argv[1])
        logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=file))
        logging.warning("held back")
        leave(3)
    """
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "log"], check=False)

    assert ended.returncode == 3
    assert (tmp_path / "log").read_text() == "held back\n"
