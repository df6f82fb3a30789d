const assert = require('node:assert')
const { execFile } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const test = require('node:test')
const { promisify } = require('node:util')
const { Worker } = require('node:worker_threads')
const greeting = require('greeting')

const temporary = () => fs.mkdtempSync(path.join(os.tmpdir(), 'office-'))

test('a dependency', () => assert.equal(greeting.to('npm'), 'hello, npm'))

for (const host of ['localhost', '127.0.0.1', '::1']) {
  test(`a server on ${host}`, async () => {
    const server = http.createServer((_, answer) => answer.end(greeting.to(host))).listen(0, host)
    await once(server, 'listening')
    const [answer] = await once(http.get({ host, port: server.address().port, agent: false }), 'response')
    assert.equal(String(await once(answer, 'data')), greeting.to(host))
    server.close()
  })
}

test('a worker thread', async () => {
  const source = "require('node:worker_threads').parentPort.postMessage(6 * 7)"
  assert.deepEqual(await once(new Worker(source, { eval: true }), 'message'), [42])
})

test('code that is compiled while it runs', () => {
  let sum = 0
  for (let n = 0; n < 5e6; n++) sum = (sum + n * n) % 1009
  assert.equal(sum, 654)
  // (module (func (export "f") (result i32) i32.const 42))
  const bytes = '0061736d010000000105016000017f03020100070501016600000a06010400412a0b'
  assert.equal(new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(bytes, 'hex'))).exports.f(), 42)
})

test('a child process', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['-p', '6 * 7'])
  assert.equal(stdout, '42\n')
})

test('a file that is watched', async () => {
  const file = path.join(temporary(), 'watched')
  fs.writeFileSync(file, '')
  const watcher = fs.watch(file)
  fs.writeFileSync(file, 'hello')
  await once(watcher, 'change')
  watcher.close()
})

test('who it is', () => assert.match(os.userInfo().username, /^plb-/))
