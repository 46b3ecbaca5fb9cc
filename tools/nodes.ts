/**
 * Do the scripts run as they are, without tsx, on every Node that strips types? `npm run test:nodes [22 24 26]`
 * Brings each Node by the npm package `node` into a temporary folder, calls every script there, runs a small epic, and lets
 * agents die of V8's heap under each, and under the Node that runs this, to see that the cause is told.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { $ } from 'zx';

const root = join(import.meta.dirname, '..');
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24', '26'];
/** Each script at least once, and what starts or watches processes. They run in a project of their own. */
const CALLS: readonly (readonly string[])[] = [
  ['memory-monitor', 'check'],
  ['memory-monitor', 'limits', '--json'],
  ['memory-monitor', 'processes'],
  ['memory-monitor', 'run', '--', 'true'],
  ['memory-monitor', 'stats'],
  ['memory-monitor', 'cleanup'],
  ['memory-pressure', 'status'],
  ['memory-pressure', 'handlers'],
  ['circuit-breaker', 'status'],
  ['circuit-breaker', 'run', '--', 'true'],
  ['memory-retry', 'classify', '--exit', '137'],
  ['memory-retry', 'run', '--', 'true'],
  ['memory-retry', 'shop', 'stats'],
  ['coordination-memory', 'shop', 'plan', '--project', join(root, 'example')],
  ['memory-env', 'check'],
  ['coordinator-setup', 'check'],
  ['start-coordinator'],
  ['agent-pool', 'status'],
  ['agent-pool', 'optimize'],
  ['prompt-cache', 'set', 'a', '1'],
  ['prompt-cache', 'stats'],
  ['orchestrate', 'plan', 'Look for slow code'],
  ['memory-feedback', 'recommend'],
  ['claude-hook', 'session-start'],
];
/** 20: a warning of the machine or of a setting; 30 and 75: this machine has no room now. All of them are answers. */
const ANSWERS = new Set([0, 20, 30, 75]);

const dir = mkdtempSync(join(tmpdir(), 'claude-pm-nodes-'));
const bins: string[] = [];
let failed = 0;
const called = new Set(CALLS.map(([script]) => script));
for (const name of readdirSync(join(root, 'scripts')).map((file) => basename(file, '.ts')))
  if (!called.has(name)) report('each Node', name, false, 'no call of it in tools/nodes.ts');
try {
  for (const version of versions) {
    const home = join(dir, version);
    await $({ quiet: true })`npm install --prefix ${home} --no-fund --no-audit --no-save node@${version}`;
    const node = join(home, 'node_modules', 'node', 'bin', 'node');
    bins.push(dirname(node));
    const full = (await $({ quiet: true })`${node} --version`).stdout.trim();
    const project = join(home, 'project');
    mkdirSync(project);
    writeFileSync(join(project, '.claude-pm.yaml'), 'agents:\n  default:\n    command: "true"\n');
    const env = { ...process.env, HOME: home, CLAUDE_PM_STATE_DIR: join(home, 'state'), NODE_OPTIONS: '' };
    // Hooks read their event from stdin; everybody else leaves it alone.
    const shell = $({ quiet: true, nothrow: true, env, cwd: project, input: '{}' });

    for (const [script = '', ...words] of CALLS) {
      const { exitCode, stderr } = await shell`${node} ${join(root, 'scripts', `${script}.ts`)} ${words}`;
      report(
        full,
        [script, ...words].join(' '),
        ANSWERS.has(exitCode ?? -1) && !/Warning|SyntaxError/.test(stderr),
        `exit ${exitCode} ${stderr.slice(0, 200)}`,
      );
    }
    const run =
      await shell`printf 'echo one\necho two\n' | ${node} ${join(root, 'scripts', 'coordination-memory.ts')} demo run --streams - --project ${home} --set memory_management.enabled=false`;
    report(
      full,
      'coordination-memory demo run',
      run.exitCode === 0 && run.stdout.includes('streams_done:2'),
      `exit ${run.exitCode} ${run.stderr.slice(0, 200)}`,
    );
  }
  const deaths = await $({
    quiet: true,
    nothrow: true,
    env: { ...process.env, CLAUDE_PM_TEST_NODES: bins.join(',') },
  })`${join(root, 'node_modules', '.bin', 'vitest')} run --root ${root} test/scripts/memory-retry.test.ts -t ${"(of V8's heap|of a worker at its own limit) under"}`;
  report(
    `${process.version} and these`,
    'a real death of the heap, and of a worker, is told as such',
    deaths.exitCode === 0,
    deaths.stdout.slice(-2000),
  );
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failed > 0 ? 1 : 0;

function report(version: string, call: string, ok: boolean, detail: string): void {
  if (!ok) failed += 1;
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${version} ${call.replaceAll(root, '.')}${ok ? '' : ` (${detail.trim()})`}`,
  );
}
