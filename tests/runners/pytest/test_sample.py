import multiprocessing
import platform
import subprocess
import sys


def test_machine():
    assert platform.machine() in ("armv7l", "aarch64", "riscv64", "ppc64le")


def test_child():
    out = subprocess.run([sys.executable, "-c", "import platform; print(platform.machine())"], capture_output=True, text=True)
    assert out.stdout.strip() == platform.machine()


def square(n):
    return n * n


def test_processes():
    with multiprocessing.Pool(2) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
