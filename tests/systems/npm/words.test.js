'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');
const fs = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const words = require('./words.js');

test('odd words', () => assert.deepStrictEqual(words('b a b c a b'), ['b', 'c']));

test('a large text', () => {
  const text = Array.from({ length: 20000 }, (_, i) => `w${i % 997}`).join(' ');
  assert.strictEqual(words(text).length, 60);
});

test('children', async () => {
  const run = n => new Promise((done, fail) =>
    execFile(process.execPath, ['-e', `console.log(require('./words.js')('x '.repeat(${n})).length)`], { cwd: __dirname },
      (error, out) => (error ? fail(error) : done(out.trim()))));
  assert.deepStrictEqual(await Promise.all([1, 2, 3].map(run)), ['1', '0', '1']);
});

test('workers', async () => {
  const run = text => new Promise((done, fail) => {
    const w = new Worker(`const { parentPort, workerData } = require('node:worker_threads');
      parentPort.postMessage(require(${JSON.stringify(require.resolve('./words.js'))})(workerData));`, { eval: true, workerData: text });
    w.on('message', done).on('error', fail);
  });
  assert.deepStrictEqual(await Promise.all(['a', 'a a', 'b a a'].map(run)), [['a'], [], ['b']]);
});

test('files', async () => {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'words-'));
  const file = path.join(dir, 'text.gz');
  await fs.writeFile(file, zlib.gzipSync('one two two '.repeat(5001)));
  assert.deepStrictEqual(words(zlib.gunzipSync(await fs.readFile(file)).toString()), ['one']);
  await fs.rm(dir, { recursive: true });
});
