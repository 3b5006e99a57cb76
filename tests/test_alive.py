import subprocess
import sys

import psutil

from tasks.alive import end_family


def test_a_process_is_ended_with_its_children():
    sleep = "import time; time.sleep(600)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {sleep!r}])"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('up', flush=True); time.sleep(600)"], stdout=subprocess.PIPE
    )
    parent.stdout.readline()
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children()]
    assert len(family) == 2
    end_family(family[0])
    parent.wait(timeout=20)
    parent.stdout.close()
    assert psutil.wait_procs(family, timeout=20)[1] == []
