#!/usr/bin/env python3
"""cases.py EMU EXAMPLE: the command line's help about boards and devices, `info mtree` and `info qtree`,
and broken board files made of EXAMPLE, each of which must be explained by file, line and key."""
import os, re, subprocess, sys, tempfile
emu, example = sys.argv[1:3]; bad = 0; folder = tempfile.mkdtemp()

def run(*words, stdin=''):
    p = subprocess.run([emu, 'system', 'ppc', *words], input=stdin, capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout + p.stderr

def check(name, good, shown):
    global bad
    if not good: bad += 1; print(f'{name}: FAILED:', *shown.strip().split('\n')[:6], sep='\n    ')

def wants(name, status, patterns, *words, stdin=''):
    rc, out = run(*words, stdin=stdin)
    check(name, rc == status and all(re.search(p, out, re.M) for p in patterns), f'status {rc}\n{out}')

boards = ['ppce500', 'mpc8544ds', 'bamboo', 'sam460ex', 'g3beige', 'mac99']
wants('-M help', 0, [f'^  {b} +.' for b in boards], '-M', 'help')
wants('-M NAME,help', 0, ['^ppce500: ', 'e500v2', 'dumpdtb=FILE'], '-M', 'ppce500,help')
wants('-device help', 0, ['^  e1000 ', '^  virtio-blk-pci ', '^  virtio-rng-pci '], '-device', 'help')
wants('-device X,help', 0, ['^  netdev=<netdev>', '^  mac=<MAC>'], '-device', 'e1000,help')
wants('unknown device', 1, ["did you mean 'e1000'"], '-M', 'ppce500', '-device', 'e100', '-S')
wants('unknown property', 1, ["no property 'nettdev'; did you mean 'netdev'"], '-M', 'ppce500', '-device', 'e1000,nettdev=x', '-S')
wants('unknown board', 1, ["did you mean 'bamboo'"], '-M', 'bambo', '-S')
wants('-M NAME,help of options', 0, ['^  via=cuda\\|pmu'], '-M', 'mac99,help')
wants('unknown option of a board', 1, ["no option 'viaa'; did you mean 'via'"], '-M', 'mac99,viaa=pmu', '-S')
wants('unknown value of an option', 1, ['via=pmo: expected one of cuda, pmu'], '-M', 'mac99,via=pmo', '-S')
wants('unknown CPU', 1, ['750'], '-M', 'g3beige', '-cpu', '751', '-S')
wants('nothing to start', 1, ['-kernel'], '-M', 'bamboo')

for board, tree, map_ in [
    ('ppce500', ['dev: fsl-mpic, id "mpic"', 'dev: e1000, id "card"'], ['fe0040000-.*i/o.*mpic', 'prio 0, ram']),
    ('bamboo', ['dev: ppc-uic', 'dev: ppc4xx-pcihost, id "pci.0"'], ['ef600300-', 'eec00000-', 'ef400000-']),
    ('sam460ex', ['dev: m41t80', 'dev: ppc460ex-pcie-host, id "pcie1"'], ['4ef600300-', 'c0ec00000-', 'c08000000-']),
    ('g3beige', ['dev: heathrow, id "pic"', 'dev: adb-keyboard, id "keyboard"', 'dev: VGA'], ['ffc00000-.*rom', 'f0000510-', 'prio 0, ram']),
    ('mac99', ['dev: openpic', 'dev: cuda', 'dev: sungem|dev: e1000'], ['fff00000-|ffc00000-']),
    (example, ['dev: led, id "light"', 'green light off'], ['d0004500-', 'd00ff000-'])]:
    more = [] if board == example else ['-device', 'e1000,id=card']
    words = ['-M', board, '-S', '-display', 'none', '-serial', 'null', '-nodefaults', '-monitor', 'stdio', *more]
    wants(f'{board}: info', 0, tree + map_, *words, stdin='info qtree\ninfo mtree\nquit\n')

text = open(example).read()
for number, (good, broken, key, says) in enumerate([
    ('cpu = "e500v2"', 'cpuu = "e500v2"', 'cpuu', 'unknown field'),
    ('clock-hz = 400_000_000', 'clock-hz = "fast"', 'clock-hz', 'expected u64'),
    ('default = "128M"', 'default = 128', 'default', 'string'),
    ('class = "fsl-mpic"', 'class = "fsl-mpik"', 'class', "did you mean 'fsl-mpic'"),
    ('props = { proxy = true }', 'props = { proxy = "maybe" }', 'proxy', 'expected on or off'),
    ('at = 0xd000_4500\n', '', 'at', 'needs an address'),
    ('wires = { irq = "mpic:42" }', 'wires = { irq = "mpi:42" }', 'wires', "did you mean 'mpic'"),
    ('pin = ["power-off", "light:0"]', 'pins = ["power-off", "light:0"]', 'wires', "no output 'pins'; did you mean 'pin'"),
    ('id = "serial1"', 'id = "serial0"', 'id', "two devices 'serial0'"),
    ('regs = { r3 = "dtb"', 'regs = { r3 = "dbt"', 'regs', "unknown word 'dbt'"),
    ('interrupt-parent = "&pic"', 'interrupt-parent = "&pci"', 'interrupt-parent', "no node is labelled 'pci'"),
    ('[boot]', '[boot', '', ''),
    ('reg = [0x4500, 0x100]', 'reg = [0x4500, 0x1_0000_0000]', 'reg', '32 bits'),
    ('id = "light"', 'id = "light"\ndcr = 0x10', 'dcr', 'no device control registers')]):
    assert good in text, good
    path = f'{folder}/broken{number}.toml'
    open(path, 'w').write(text.replace(good, broken, 1))
    open(f'{folder}/kernel', 'wb').write(b'\x60\0\0\0' * 64)
    rc, out = run('-M', path, '-nographic', '-serial', 'null', '-device', f'loader,file={folder}/kernel,addr=0', '-kernel', f'{folder}/kernel')
    line = text[:text.index(good)].count('\n') + 1
    found = re.search(r'broken\d+\.toml:(\d+): (.*)', out)
    near = found and abs(int(found[1]) - line) <= 8
    check(f'{broken!r}', rc == 1 and out.count('\n') == 1 and near and key in found[2] and says in found[2], f'status {rc}, line {line}\n{out}')
print('boards, help and broken files:', 'ok' if not bad else f'{bad} failed')
sys.exit(bad > 0)
