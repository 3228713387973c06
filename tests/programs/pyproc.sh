# needs: usr/bin/python3
# Python's own ways to start processes: multiprocessing (fork, spawn, forkserver), pools, asyncio's children, a virtual environment.
cat >work.py <<'P'
import asyncio, concurrent.futures, multiprocessing as mp, os, subprocess, sys

def square(n):
    return n * n

def put(queue, n):
    queue.put((n, square(n)))

async def children():
    async def one(n):
        p = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import sys; sys.stdout.write(str({n} + 1)); sys.exit({n})", stdout=asyncio.subprocess.PIPE)
        out, _ = await p.communicate()
        return out.decode(), p.returncode
    print("asyncio", await asyncio.gather(*(one(n) for n in range(6))))
    p = await asyncio.create_subprocess_shell("sleep 100")
    p.kill()
    print("killed", await p.wait())
    try:
        await asyncio.create_subprocess_exec("/absent")
    except FileNotFoundError as e:
        print("absent", e.errno)

if __name__ == "__main__":
    for how in ("fork", "spawn", "forkserver"):
        ctx = mp.get_context(how)
        queue = ctx.Queue()
        all = [ctx.Process(target=put, args=(queue, n)) for n in range(4)]
        for p in all: p.start()
        got = sorted(queue.get(timeout=60) for _ in all)
        for p in all: p.join()
        print(how, got, [p.exitcode for p in all])
        with ctx.Pool(3) as pool:
            print(how, "pool", sum(pool.map(square, range(100), chunksize=7)))
    with concurrent.futures.ProcessPoolExecutor(2) as ex:
        print("executor", list(ex.map(square, range(8))))
    with mp.Manager() as m:
        d = m.dict(); d["a"] = 1; print("manager", dict(d))
    v = mp.Value("i", 0)
    def add():
        for _ in range(500):
            with v.get_lock(): v.value += 1
    ps = [mp.Process(target=add) for _ in range(3)]
    for p in ps: p.start()
    for p in ps: p.join()
    print("shared", v.value)
    asyncio.run(children())
    print("run", subprocess.run(["sh", "-c", "echo $0 $1; exit 3", "a", "b"], capture_output=True, text=True).returncode)
    try:
        subprocess.run(["sleep", "100"], timeout=0.3)
    except subprocess.TimeoutExpired:
        print("timeout")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "env"], check=True)
    out = subprocess.run(["env/bin/python3", "-c", "import sys; print(sys.prefix != sys.base_prefix, sys.prefix.rsplit('/')[-1])"], capture_output=True, text=True)
    print("venv", out.stdout.strip())
P
python3 work.py
