/** Is a project of a coding client safe after one command, does validate see what is broken, and is uninstall the way back? */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pluginHooks } from '../../lib/policy/client-hooks.ts';
import { makeWorld, type World } from '../support/call-script.ts';
import { someSettings } from '../support/nouns.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SETTINGS = '{\n  // ours\n  "permissions": { "allow": ["Bash"] },\n  "hooks": { "Stop": [{ "hooks": [{ "type": "command", "command": "bell" }] }] },\n}\n'; // prettier-ignore

let world: World;
beforeEach(() => {
  world = makeWorld("it's a $project");
});
afterEach(() => world.remove());

const setup = (...args: string[]) => world.call('coordinator-setup', args);
const at = (path: string): string => join(world.project, path);

function write(path: string, text: string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
}

/** Every file of the project with its text, and every folder. */
function tree(): Record<string, string> {
  const entries = readdirSync(world.project, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    entries.map((path) => [path, statSync(at(path)).isDirectory() ? '/' : readFileSync(at(path), 'utf8')]),
  );
}

describe('install', () => {
  it('makes a project safe, changes nothing the second time, and uninstall gives it back as it was', () => {
    write('.claude/settings.json', SETTINGS);
    write('.claude/epics/shop/epic.md', '# shop\n');
    write('.claude/epics/shop/1-analysis.md', '### Stream A: Schema\n**Files**: a.sql\n');
    write('.claude/agents/mine.md', 'mine');
    const before = tree();

    const first = setup('install');
    expect([first.status, first.stdout]).toEqual([0, expect.stringMatching(/^client_settings:updated /m)]);
    const installed = tree();
    expect(Object.keys(installed)).toEqual(
      expect.arrayContaining([
        '.claude-pm.yaml',
        '.claude/agents/parallel-worker.md',
        '.claude/env/agent.env',
        '.claude/hooks/claude-pm-hook.cjs',
        '.claude/scripts/pm/coordination-memory.sh',
      ]),
    );
    expect(installed['.claude/settings.json']).toMatch(/\/\/ ours[^]*"bell"[^]*claude-pm-hook\.cjs/);
    expect(installed['.claude-pm.yaml']).toMatch(
      / Here: 1\/12 of [\d.]+ GB\.\n {2}memory_per_agent_gb: [\d.]+\n/,
    );

    const second = setup('install', world.project);
    expect([second.status, second.stdout.match(/:(created|updated)/g)]).toEqual([0, null]);
    expect(tree()).toEqual(installed);

    // Under their old names, with their old arguments, from any folder.
    const wrapper = at('.claude/scripts/pm/coordination-memory.sh');
    const assessed = world.shell('sh', 'cd / && "$1" shop assess 2', [wrapper]);
    expect([assessed.status, assessed.stdout]).toEqual([0, expect.stringMatching(/^spawn_capacity:\d+$/m)]);
    // Sub-agents of a client need no command of ours.
    const planned = world.shell('sh', 'cd / && "$1" shop plan', [wrapper]);
    expect([planned.status, planned.stdout, planned.stderr]).toEqual([0, expect.stringMatching(/shop\/1\/A/), expect.stringMatching(/no command is known for 1 of the streams/)]); // prettier-ignore
    const limits = world.shell('sh', 'cd / && "$1" limits memory_management', [
      at('.claude/scripts/pm/memory-monitor.sh'),
    ]);
    expect(limits.stdout).toContain(`${world.project}/.claude-pm.yaml:`);

    const valid = setup('validate');
    expect(valid.stdout).toMatch(/^claude_hooks:ok 8 events answered, the slowest in \d+ ms$/m);
    // 20: in a checkout whose bundles are older than its sources.
    expect([0, 20]).toContain(valid.status);
    expect(valid.stdout.match(/^.*:fault.*$/gm)).toBeNull();
    expect(tree()).toEqual(installed);

    expect(setup('uninstall').status).toBe(0);
    expect(tree()).toEqual(before);
  });

  it('leaves an agent of somebody’s own as it is, names it, and changes nothing where the client’s settings are broken', () => {
    write('.claude/settings.json', '{ "hooks": [');
    const before = tree();
    const refused = setup('install');
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringMatching(/settings\.json:1 is no JSON.*nothing was changed/)]); // prettier-ignore
    expect(tree()).toEqual(before);

    write('.claude/settings.json', '{}');
    write('.claude/agents/parallel-worker.md', 'mine');
    const run = setup('install');
    expect([run.status, run.stdout]).toEqual([2, expect.stringMatching(/^agent:not-ours /m)]);
    setup('uninstall');
    expect(tree()).toMatchObject({
      '.claude/agents/parallel-worker.md': 'mine',
      '.claude/settings.json': '{}',
    });
  });
});

it('validate says 2 and what is wrong with a hook that is broken, one that talks, and an event without one', () => {
  setup('install');
  write(
    '.claude/hooks/claude-pm-hook.cjs',
    'process.argv[2] === "stop" ? console.log("hello") : require("./nowhere")',
  );
  const settings = readFileSync(at('.claude/settings.json'), 'utf8');
  write('.claude/settings.json', settings.replace('"SubagentStop"', '"Other"'));
  const run = setup('validate');
  expect(run.status).toBe(2);
  expect(run.stdout).toMatch(/^hook PreToolUse:fault it ended with exit 1: Error: Cannot find module/m);
  expect(run.stdout).toMatch(/^hook Stop:fault what it printed is no JSON$/m);
  expect(run.stdout).toMatch(/^hook SubagentStop:fault no hook of ours is in the settings$/m);
});

it('the plugin’s hooks are those of the code (else run npx tsx tools/generate.ts)', () => {
  const text = readFileSync(join(ROOT, 'hooks', 'hooks.json'), 'utf8');
  expect(JSON.parse(text)).toEqual(pluginHooks(someSettings().gate));
});

it('the worker’s commands are scripts of ours with such sub-commands', () => {
  const text = readFileSync(join(ROOT, 'agents', 'parallel-worker.md'), 'utf8');
  const calls = [...text.matchAll(/\.claude\/scripts\/pm\/([a-z-]+)\.sh (?:EPIC )?([a-z]+)/g)];
  expect(calls.length).toBeGreaterThan(6);
  for (const [, script = '', command = ''] of calls) {
    const source = readFileSync(join(ROOT, 'scripts', `${script}.ts`), 'utf8');
    expect([script, command, source.includes(`    ${command}: {`)]).toEqual([script, command, true]);
  }
});
