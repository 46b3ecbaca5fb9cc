/** Can a program import the toolkit and use it, as its package offers it? */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { makeLab } from './support/scripts.ts';

const ROOT = join(import.meta.dirname, '..');

/** Plain JavaScript, as a consumer writes it; the file that package.json names, from this build. */
const CONSUMER = `
import { getAgentPool, getCircuitBreaker, getResourceMonitor, orchestrateWithMemoryManagement, Failure } from 'API';
import { spawn } from 'node:child_process';

const settings = { 'admission.floor_mb': '1', 'admission.safety_mb': '0', 'memory_management.coordinator_memory_gb': '0' };
const lines = [];
const report = await orchestrateWithMemoryManagement('say words', { settings, onLine: (line) => lines.push(line) });

const monitor = await getResourceMonitor({ settings });
const free = await monitor.preflight({ bytes: 1024 ** 2 });
const never = await monitor.preflight({ bytes: 2 ** 50 });
const child = spawn(process.execPath, ['-e', 'const held = Buffer.alloc(80e6, 1); console.log("up"); setInterval(() => held, 1000)'], { stdio: ['ignore', 'pipe', 'inherit'] });
await new Promise((resolve) => child.stdout.once('data', resolve));
const calm = monitor.checkAgent(child.pid, { limitBytes: 2 ** 30 });
const goOn = await monitor.shouldAbort(child.pid, { limitBytes: 2 ** 30 });
const abort = await monitor.shouldAbort(child.pid, { limitBytes: 32 * 1024 ** 2 });
child.kill('SIGKILL');
await new Promise((resolve) => child.once('close', resolve));
const gone = monitor.checkAgent(child.pid);

const pool = getAgentPool({ settings });
const asked = await pool.request('default');
const taken = (await pool.status()).answer.total_agents;
const given = await pool.release(asked.answer.agent.id);
const left = (await pool.status()).answer.total_agents;

const breaker = await getCircuitBreaker({ settings });
const before = breaker.status().allowed;
let odd;
try {
  breaker.open({ reason: 'no text' });
} catch (error) {
  odd = [error.exitCode, breaker.status().allowed];
}
breaker.open('test', 'a test', 60_000);
const held = await breaker.tryStart('mine');
let refused;
try {
  await orchestrateWithMemoryManagement('say words', { settings });
} catch (error) {
  refused = error instanceof Failure ? error.exitCode : String(error);
}
const preflight = await monitor.preflight();
breaker.close();
const after = (await breaker.tryStart('mine')).allowed;
console.log(JSON.stringify({ report, lines, free, never, calm, goOn, abort, gone, before, odd, held, refused, preflight, after, pool: [asked.exitCode, taken, given.exitCode, left] }));
`;

it('answers a program that imports the built file as its scripts would', () => {
  const exported = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: { '.': { default: string; types: string } } }).exports['.'];
  expect(exported).toEqual({ types: './lib/api.ts', default: './dist/api.mjs' });
  const lab = makeLab();
  lab.write('.claude-pm.yaml', `agents:\n  default: { command: [node, -e, 'console.log("words")'], memory: 48MB, limit: 400MB }\n`);
  const file = lab.write('consumer.mjs', CONSUMER.replace("'API'", JSON.stringify(join(inject('bundleDir'), basename(exported.default)))));
  const run = spawnSync(process.execPath, [file], { cwd: lab.project, env: lab.env, encoding: 'utf8', timeout: 50_000 });
  expect([run.status, run.stderr]).toEqual([0, '']);
  const found = JSON.parse(run.stdout) as Record<string, unknown>;
  expect(found['report']).toMatchObject({ exitCode: 0, agents: [{ name: 'code-analyzer', status: 'done', answer: 'words' }] });
  expect((found['lines'] as string[]).some((line) => line.includes(' start '))).toBe(true);
  expect(found).toMatchObject({
    free: { allowed: true },
    never: { allowed: false },
    calm: { isRunning: true, processes: 1, level: 'normal' },
    goOn: { abort: false },
    abort: { abort: true, reason: expect.stringMatching(/^LIMIT: Memory exceeded 32MB at /) as string },
    gone: { isRunning: false, processes: 0 },
    before: true,
    odd: [2, true],
    held: { allowed: false, state: 'open' },
    refused: 75,
    preflight: { allowed: false, reason: expect.stringMatching(/a test/) as string },
    after: true,
    pool: [0, 1, 0, 0],
  });
}); // prettier-ignore
