/** Are kept settings used for exactly as long as nothing that they came from has changed, and never where a figure is missing? */
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { Settings } from '../../lib/settings-model.ts';
import { decideAdmission } from '../../lib/policy/admission.ts';
import { askedBreaker, CLOSED, settleBreaker } from '../../lib/policy/breaker.ts';
import { judgeHealth } from '../../lib/policy/health.ts';
import {
  GATE_NUMBERS,
  gateSettingsPath,
  readGateRules,
  writeGateRules,
} from '../../lib/state/gate-settings.ts';
import { GIB } from '../../lib/units.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';
import { tempDir } from '../support/scripts.ts';

const NEED = { estimateBytes: GIB, limitBytes: 2 * GIB, heapMb: undefined, estimateIsStated: false };
const WORLD = { homeDir: '/home/ann', machineTotalBytes: 16 * GIB };

function kept(env: Record<string, string> = {}): { project: string; file: string } {
  const project = tempDir();
  const file = join(project, '.claude-pm.yaml');
  writeFileSync(file, 'profile: auto\n');
  const rules = { settings: someSettings(), needs: { usual: NEED, kinds: { worker: NEED } }, warnings: [] };
  const sources = { ...WORLD, files: [file, join(project, 'none.yaml')], variables: ['CLAUDE_PM_PROFILE'] };
  writeGateRules(project, sources, rules, env);
  return { project, file };
}

it('what was kept comes back with every figure', () => {
  const { project } = kept();
  const read = readGateRules(project, WORLD, {});
  expect(read?.isFresh).toBe(true);
  const settings = { ...someSettings(), agents: undefined, alerts: undefined };
  expect(read?.rules.settings).toMatchObject(JSON.parse(JSON.stringify(settings)) as object);
  expect(read?.rules.needs.kinds['worker']).toMatchObject({ estimateBytes: GIB });
});

it.each<[string, (file: string, project: string) => void, Partial<typeof WORLD>, Record<string, string>]>([
  ['a file that is newer', (file) => utimesSync(file, 1, 1), {}, {}],
  ['a file of another size', (file) => writeFileSync(file, 'profile: strict\n'), {}, {}],
  ['a file that came', (_file, project) => writeFileSync(join(project, 'none.yaml'), ''), {}, {}],
  ['another machine', () => undefined, { machineTotalBytes: 8 * GIB }, {}],
  ['another home', () => undefined, { homeDir: '/root' }, {}],
  ['a variable', () => undefined, {}, { CLAUDE_PM_PROFILE: 'laptop' }],
])('%s makes it stale, and it is still there to fall back on', (_what, change, world, env) => {
  const { project, file } = kept();
  change(file, project);
  const read = readGateRules(project, { ...WORLD, ...world }, env);
  expect([read?.isFresh, read?.rules.settings.maxConcurrentAgents]).toEqual([false, 4]);
});

it('the value of a variable counts, and does not stand in the file', () => {
  const { project } = kept({ CLAUDE_PM_PROFILE: 'laptop-of-ann' });
  expect(readGateRules(project, WORLD, { CLAUDE_PM_PROFILE: 'laptop-of-ann' })?.isFresh).toBe(true);
  expect(readGateRules(project, WORLD, { CLAUDE_PM_PROFILE: 'laptop-of-bob' })?.isFresh).toBe(false);
  expect(readFileSync(gateSettingsPath(project), 'utf8')).not.toContain('of-ann');
});

it.each([
  '',
  '{',
  '[]',
  '{"version":1}',
  '{"version":2,"marks":""}',
  ...GATE_NUMBERS.map((path) => `without ${path}`),
])('%s is nothing to go by', (text) => {
  const { project } = kept();
  const path = gateSettingsPath(project);
  const missing = /^without (.*)$/.exec(text)?.[1];
  if (missing === undefined) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  } else {
    const value = JSON.parse(readFileSync(path, 'utf8')) as { settings: Record<string, unknown> };
    const [outer = '', inner] = missing.split('.');
    const part = inner === undefined ? value.settings : (value.settings[outer] as Record<string, unknown>);
    Reflect.deleteProperty(part, inner ?? outer);
    writeFileSync(path, JSON.stringify(value));
  }
  expect(readGateRules(project, WORLD, {})).toBeUndefined();
});

it('every figure that a decision of the gate reads is one that is checked', () => {
  const read = new Set<string>();
  const watch = <T extends object>(value: T, prefix = ''): T =>
    new Proxy(value, {
      get: (target, key) => {
        const found: unknown = Reflect.get(target, key);
        const path = `${prefix}${String(key)}`;
        if (typeof found === 'number') read.add(path);
        return typeof found === 'object' && found !== null && !(found instanceof Map)
          ? watch(found, `${path}.`)
          : found;
      },
    });
  const settings: Settings = watch(someSettings());
  const leases = [someChecked()];
  for (const availableBytes of [GIB / 2, 4 * GIB, 16 * GIB]) {
    const memory = someMemory(availableBytes);
    const facts = { settings, memory, leases, budget: undefined, nowMs: 0, memoryOf: { holdSinceMs: undefined, lastMemoryEventMs: undefined } }; // prettier-ignore
    decideAdmission(facts, NEED);
    judgeHealth(memory, settings);
    const at = { nowMs: 0, chance: 0.5, rules: settings.circuitBreaker };
    askedBreaker(settleBreaker(CLOSED, undefined, at), { id: 'x', owner: undefined }, 'low', at);
  }
  expect([...read].filter((path) => !GATE_NUMBERS.includes(path))).toEqual([]);
});
