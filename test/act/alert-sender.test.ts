/** Do alerts reach their receivers, and does the guard stay free of whatever is wrong with these? */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openAlertSender, type AlertSender, type SenderWorld } from '../../lib/act/alert-sender.ts';
import type { AlertRecord } from '../../lib/model.ts';
import type { AlertSettings } from '../../lib/settings-model.ts';
import { isRunning, processesWith, tempDir, waitFor } from '../support/scripts.ts';

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'send-alerts.ts');
/** Longer than any test: whoever waits for it fails by the test's own limit. */
const NEVER_MS = 3_600_000;

function someAlert(change: Partial<AlertRecord> = {}): AlertRecord {
  return {
    timestamp: '2026-01-31T12:00:00.000Z',
    level: 'warning',
    subprocess_id: 'shop/1/A',
    message: 'WARNING: Memory exceeded 1024MB at 1156.3MB',
    system_memory: { total_mb: 4096, available_mb: 3072, used_mb: 1024, percent: 25 },
    ...change,
  };
}

interface Opened extends AlertSender {
  readonly notes: string[];
}

function open(settings: Partial<AlertSettings>, world: Partial<SenderWorld> = {}): Opened {
  const notes: string[] = [];
  const sender = openAlertSender({
    settings: { webhook: undefined, command: [], minLevel: 'warning', timeoutMs: NEVER_MS, ...settings },
    cwd: tempDir(),
    env: { PATH: process.env['PATH'] },
    note: (text) => notes.push(text),
    ...world,
  });
  onTestFinished(() => sender.drain(0).then(() => undefined));
  return { ...sender, notes };
}

/** A server on a free port that goes with the test; answers its address. */
async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function listenHttp(
  answer: (body: string, request: IncomingMessage, response: ServerResponse) => void,
) {
  const server = createHttpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => answer(body, request, response));
  });
  return listen(server);
}

/** Accepts and never says a word; `connections` counts who came. */
async function listenHanging() {
  let connections = 0;
  const address = await listen(createServer(() => (connections += 1)));
  return { address, connections: () => connections };
}

describe('a webhook', () => {
  it('gets each alert as JSON by POST, in order, with the address as it is and its user as a header', async () => {
    const got: { body: unknown; request: string; user: string | undefined; type: string | undefined }[] = [];
    const address = await listenHttp((body, { method = '', url = '', headers }, response) => {
      const request = `${method} ${url}`;
      got.push({
        body: JSON.parse(body),
        request,
        user: headers.authorization,
        type: headers['content-type'],
      });
      response.end('thanks');
    });
    const sender = open({ webhook: `${address.replace('//', '//me:p%40ss@')}/hook/secret?a=b` });
    const alerts = ['a', 'b', 'c'].map((subprocess_id) => someAlert({ subprocess_id }));
    for (const alert of alerts) sender.send(alert);
    expect(await sender.drain(NEVER_MS)).toEqual({ delivered: 3, failed: 0, dropped: 0, held: 0 });
    expect(got.map(({ body }) => body)).toEqual(alerts);
    expect(got[0]).toMatchObject({
      request: 'POST /hook/secret?a=b',
      user: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
      type: 'application/json',
    });
    expect(sender.notes).toEqual([]);
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      'that answers 500',
      () => listenHttp((_, __, response) => response.writeHead(500).end()),
      /answered 500/,
    ],
    [
      'that sends us elsewhere',
      () => listenHttp((_, __, response) => response.writeHead(307, { location: '/x' }).end()),
      /answered 307/,
    ],
    [
      'that hangs up',
      () => listen(createServer((socket) => socket.destroy())),
      /cannot be reached \(ECONNRESET\)/,
    ],
    [
      'that talks nonsense',
      () => listen(createServer((socket) => socket.end('hello\n\n'))),
      /cannot be reached \(HPE_/,
    ],
    ['that nobody serves', () => Promise.resolve('http://127.0.0.1:1'), /cannot be reached \(ECONNREFUSED\)/],
  ])('%s fails, is noted once without its path, and is counted', async (_, address, reason) => {
    const sender = open({ webhook: `${await address()}/secret-path?token=secret` });
    for (let agent = 0; agent < 3; agent += 1) sender.send(someAlert({ subprocess_id: `agent-${agent}` }));
    expect(await sender.drain(NEVER_MS)).toEqual({ delivered: 0, failed: 3, dropped: 0, held: 0 });
    expect(sender.notes).toHaveLength(2);
    expect(sender.notes[0]).toMatch(reason);
    expect(sender.notes[0]).toMatch(/^alerts: webhook http:\/\/127\.0\.0\.1:\d+ /);
    expect(sender.notes[1]).toBe('alerts: 0 delivered, 3 failed, 0 given up');
    expect(sender.notes.join()).not.toContain('secret');
  });

  it('that answers without an end counts as told, and keeps nothing open', async () => {
    let closed = 0;
    const address = await listenHttp((_, __, response) => {
      response.on('close', () => (closed += 1));
      response.writeHead(200);
      response.write('and so on');
    });
    const sender = open({ webhook: address });
    sender.send(someAlert());
    expect(await sender.drain(NEVER_MS)).toMatchObject({ delivered: 1, failed: 0 });
    await waitFor(() => closed === 1, 'the end of the connection');
  });

  it('that hangs is given up after its time, and the next alert is tried', async () => {
    const { address, connections } = await listenHanging();
    const sender = open({ webhook: address, timeoutMs: 50 });
    sender.send(someAlert());
    sender.send(someAlert({ level: 'critical' }));
    expect(await sender.drain(NEVER_MS)).toEqual({ delivered: 0, failed: 2, dropped: 0, held: 0 });
    expect(connections()).toBe(2);
    expect(sender.notes[0]).toContain('did not answer in time');
  });
});

describe('the guard', () => {
  it('is not kept by a call: no connection is made and no process started before it returns', async () => {
    const { address, connections } = await listenHanging();
    const mark = `ALERT_TEST=${address}`;
    const sender = open(
      { webhook: address, command: ['sleep', '1000'] },
      { env: { PATH: process.env['PATH'], ALERT_TEST: address } },
    );
    sender.send(someAlert());
    expect(processesWith(mark)).toEqual([]);
    await waitFor(() => connections() === 1 && processesWith(mark).length === 1, 'both receivers');
    await sender.drain(0);
    await waitFor(() => processesWith(mark).length === 0, 'the end of the command');
  });

  it('finds what waits bounded while the receiver hangs: the oldest give way and are counted', async () => {
    const { address } = await listenHanging();
    const sender = open({ webhook: address });
    for (let agent = 0; agent < 150; agent += 1) sender.send(someAlert({ subprocess_id: `agent-${agent}` }));
    expect(sender.counts()).toEqual({ delivered: 0, failed: 0, dropped: 49, held: 0 });
    expect(await sender.drain(10)).toEqual({ delivered: 0, failed: 1, dropped: 149, held: 0 });
    expect(sender.notes.at(-1)).toBe('alerts: 0 delivered, 1 failed, 149 given up');
    sender.send(someAlert());
    expect(sender.counts()).toMatchObject({ delivered: 0, failed: 1, dropped: 149 });
  });

  it('has one receiver that hangs not keep the other from hearing', async () => {
    const { address } = await listenHanging();
    const dir = tempDir();
    const sender = open({ webhook: address, command: ['sh', '-c', 'cat >> heard'] }, { cwd: dir });
    sender.send(someAlert());
    sender.send(someAlert({ level: 'critical' }));
    await waitFor(() => sender.counts().delivered === 2, 'two deliveries to the command');
    expect(readFileSync(join(dir, 'heard'), 'utf8').split('\n')).toHaveLength(3);
  });

  it('sends one alert per agent and level in a minute, and none below the least level', async () => {
    const heard: string[] = [];
    const address = await listenHttp((body, _, response) => {
      const { subprocess_id, level } = JSON.parse(body) as AlertRecord;
      heard.push(`${subprocess_id} ${level}`);
      response.end();
    });
    let nowMs = 0;
    const sender = open({ webhook: address, minLevel: 'critical' }, { now: () => nowMs });
    for (const at of [0, 0, 59_999, 60_000]) {
      nowMs = at;
      for (const level of ['warning', 'critical'] as const) sender.send(someAlert({ level }));
    }
    sender.send(someAlert({ level: 'over', subprocess_id: 'other' }));
    expect(await sender.drain(NEVER_MS)).toEqual({ delivered: 3, failed: 0, dropped: 0, held: 6 });
    expect(heard).toEqual(['shop/1/A critical', 'shop/1/A critical', 'other over']);
  });

  it('without receivers sends nothing, says nothing and ends at once', async () => {
    const sender = open({});
    sender.send(someAlert());
    expect(await sender.drain(NEVER_MS)).toEqual({ delivered: 0, failed: 0, dropped: 0, held: 0 });
    expect(sender.notes).toEqual([]);
  });

  it('that ends without a word is kept by the delivery under way only, not by those that wait', async () => {
    const { address, connections } = await listenHanging();
    // Fifty deliveries of three seconds each would outlast this test.
    const child = spawn(process.execPath, ['--import', 'tsx', FIXTURE, address, '3000'], { stdio: 'pipe' });
    const status = await new Promise((resolve) => child.once('exit', resolve));
    expect(status).toBe(0);
    expect(connections()).toBeLessThan(4);
  });
});

describe('a command', () => {
  it('gets the alert on stdin, and level, subprocess and message in its environment', async () => {
    const dir = tempDir();
    const line =
      'cat > stdin; printf "%s|" "$CLAUDE_PM_ALERT_LEVEL" "$CLAUDE_PM_ALERT_SUBPROCESS" "$CLAUDE_PM_ALERT_MESSAGE" > env';
    const sender = open({ command: ['sh', '-c', line] }, { cwd: dir });
    const alert = someAlert({ message: "it's $HOME `id`" });
    sender.send(alert);
    expect(await sender.drain(NEVER_MS)).toMatchObject({ delivered: 1, failed: 0 });
    const stdin = readFileSync(join(dir, 'stdin'), 'utf8');
    expect(stdin).toBe(`${JSON.stringify(alert)}\n`);
    expect(readFileSync(join(dir, 'env'), 'utf8')).toBe("warning|shop/1/A|it's $HOME `id`|");
  });

  it.each<[string, string[], RegExp]>([
    ['that fails', ['sh', '-c', 'exit 3', 'secret-word'], /^alerts: command sh ended with exit code 3;/],
    ['that dies', ['sh', '-c', 'kill -9 $$'], /^alerts: command sh was ended by SIGKILL;/],
    ['that is not there', ['/no/such/program', 'secret-word'], /cannot be started \(ENOENT\)/],
  ])('%s is noted once without its further words, and is counted', async (_, command, reason) => {
    const sender = open({ command });
    sender.send(someAlert());
    sender.send(someAlert({ level: 'over' }));
    expect(await sender.drain(NEVER_MS)).toMatchObject({ delivered: 0, failed: 2 });
    expect(sender.notes).toHaveLength(2);
    expect(sender.notes[0]).toMatch(reason);
    expect(sender.notes.join()).not.toContain('secret');
  });

  it('that reads nothing of its stdin is no failure', async () => {
    const sender = open({ command: ['true'] });
    for (let agent = 0; agent < 5; agent += 1) sender.send(someAlert({ subprocess_id: `agent-${agent}` }));
    expect(await sender.drain(NEVER_MS)).toMatchObject({ delivered: 5, failed: 0 });
  });

  it.each<[string, (sender: AlertSender) => Promise<unknown>, number]>([
    ['after its time', (sender) => waitFor(() => sender.counts().failed === 1, 'the end of its time'), 400],
    ['when the sender closes', (sender) => sender.drain(0), NEVER_MS],
  ])('that hangs is killed %s, with its children and though they ignore TERM', async (_, end, timeoutMs) => {
    const dir = tempDir();
    const line =
      'trap "" TERM HUP; sh -c \'trap "" TERM HUP; sleep 1000\' & echo $! $$ > pids.new; mv pids.new pids; sleep 1000';
    const mark = { PATH: process.env['PATH'], ALERT_TEST: dir };
    const sender = open({ command: ['sh', '-c', line], timeoutMs }, { cwd: dir, env: mark });
    onTestFinished(() => {
      for (const { pid } of processesWith(`ALERT_TEST=${dir}`)) process.kill(pid, 'SIGKILL');
    });
    sender.send(someAlert());
    if (timeoutMs === NEVER_MS)
      await waitFor(() => processesWith(`ALERT_TEST=${dir}`).length >= 4, 'all processes of the command');
    await end(sender);
    await waitFor(() => processesWith(`ALERT_TEST=${dir}`).length === 0, 'the end of all its processes');
    expect(sender.notes[0]).toMatch(/did not end in time and was killed/);
    expect(sender.counts()).toMatchObject({ delivered: 0, failed: 1 });
    expect(isRunning(process.pid)).toBe(true);
  });
});
