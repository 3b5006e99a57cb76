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


def test_processes_start_with_what_was_imported_for_them_and_leave_ctrl_c_alone(tmp_path):
    code = """if True:
        import multiprocessing, os, signal, sys
        from concurrent.futures import ProcessPoolExecutor

        from tasks import process


        def looked():
            blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
            return "colorsys" in sys.modules, blocked, os.environ.get("OMP_NUM_THREADS") == "1", os.getppid()


        if __name__ == "__main__":
            process._LIBRARIES = ("colorsys", "not_installed")
            os.environ["OMP_NUM_THREADS"] = "3"
            process.preload()
            assert os.environ["OMP_NUM_THREADS"] == "3"
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
            copies = multiprocessing.get_context("forkserver")
            with ProcessPoolExecutor(1, copies, process.work) as pool:
                imported, blocked, single, parent = pool.submit(looked).result(60)
            assert imported == blocked == single == process.COPIES
            assert parent != os.getpid()
    """
    script = tmp_path / "script.py"
    script.write_text(code)
    subprocess.run([sys.executable, script], check=True, timeout=120)


def test_only_the_main_thread_computes_alone_and_the_single_one_of_a_dask_worker():
    code = """if True:
        import threading
        from types import SimpleNamespace as Fake

        from tasks.process import computes_alone, dask_setup


        def in_a_thread():
            found = []
            thread = threading.Thread(target=lambda: found.append(computes_alone()))
            thread.start()
            thread.join()
            return found[0]


        assert computes_alone()
        assert not in_a_thread()
        dask_setup(Fake(state=Fake(nthreads=2)))
        assert not in_a_thread()
        dask_setup(Fake(state=Fake(nthreads=1)))
        assert in_a_thread()
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
