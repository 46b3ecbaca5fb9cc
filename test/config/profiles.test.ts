/** Are the figures of each profile the right parts of each machine, with origin and reason, and never a contradiction? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PROFILES } from '../../lib/config/setting.ts';
import { SETTING_KEYS, settingOf } from '../../lib/config/settings.ts';
import type { SettingKey } from '../../lib/config/settings.ts';
import { load } from './world.ts';

const KEYS: readonly SettingKey[] = [
  'memory_management.coordinator_memory_gb',
  'memory_management.memory_per_agent_gb',
  'memory_management.total_memory_limit_gb',
  'node_options.coordinator_heap_size',
  'node_options.agent_heap_size',
  'admission.floor_mb',
  'admission.safety_mb',
  'admission.sequential_mb',
  'admission.limited_mb',
  'memory_management.max_concurrent_agents',
];

/** Machine in GB: coordinator GB, agent GB, total GB, coordinator heap, agent heap, floor, safety, sequential, limited, agents. */
const FIGURES: readonly [string, number, ...number[]][] = [
  ['auto', 256, 16, 8, 96, 16384, 8192, 1024, 512, 2048, 4096, 8],
  ['auto', 96, 16, 8, 96, 16384, 8192, 1024, 512, 2048, 4096, 8],
  ['auto', 95.999, 16, 8, 95.984375, 16384, 8192, 1024, 512, 2048, 4096, 8],
  ['auto', 24, 4, 2, 24, 4096, 2048, 1024, 512, 2048, 4096, 8],
  ['auto', 23.999, 4, 2, 23.984375, 4096, 2048, 1024, 512, 2048, 4096, 8],
  ['auto', 23.54, 4, 2, 23.53125, 4096, 2048, 1008, 496, 2016, 4016, 8],
  ['auto', 8, 1.25, 0.75, 8, 1280, 768, 336, 176, 688, 1360, 8],
  ['auto', 3, 0.5, 0.25, 3, 512, 256, 128, 64, 256, 512, 8],
  ['auto', 0.5, 0.25, 0.25, 0.5, 256, 256, 16, 16, 48, 80, 8],
  ['auto', 300 / 1024, 0.25, 0.25, 0.28125, 256, 256, 16, 16, 32, 48, 8],
  ['auto', 0.1, 0.25, 0.25, 0.25, 256, 256, 16, 16, 16, 16, 8],
  ['workstation', 24, 16, 8, 96, 16384, 8192, 1024, 512, 2048, 4096, 8],
  ['strict', 24, 4, 2, 24, 4096, 2048, 1024, 512, 2048, 4096, 8],
  ['laptop', 16, 2.75, 2.75, 8, 2816, 2816, 500, 300, 1000, 2000, 2],
  ['laptop', 8, 1.25, 1.25, 4, 1280, 1280, 500, 300, 1000, 2000, 2],
  ['laptop', 256, 16, 8, 96, 16384, 8192, 500, 300, 1000, 2000, 2],
];

test.each(FIGURES)('%s on %f GB gives its figures', async (profile, gb, ...figures) => {
  const { values } = await load({ gb, overrides: { profile } });
  expect(KEYS.map((key) => values.find((value) => value.key === key)?.value)).toEqual(figures);
});

test.each([
  ['auto', 500, 'default', 1024, 2048, 4096],
  ['workstation', 96, 'default', 1024, 2048, 4096],
  ['laptop', 16, 'default', 1024, 2048, 4096],
  ['strict', 1, 'profile strict', 500, 1000, 2000],
])('%s guards a single command at its thresholds', async (profile, gb, origin, ...figures) => {
  const { values } = await load({ gb, overrides: { profile } });
  const found = values.filter(({ key }) => /^thresholds\..*_mb$/.test(key));
  expect(found.map(({ value }) => value)).toEqual(figures);
  expect(new Set(found.map((value) => value.origin))).toEqual(new Set([origin]));
});

test.each<[string, number, SettingKey, string, string | undefined]>([
  ['auto', 24, 'memory_management.memory_per_agent_gb', 'profile auto', '1/12 of 24.0 GB'],
  ['auto', 24, 'memory_management.total_memory_limit_gb', 'profile auto', 'all of 24.0 GB'],
  ['auto', 8, 'admission.floor_mb', 'profile auto', '1/24 of 8.0 GB'],
  ['auto', 8, 'circuit_breaker.available_mb', 'profile auto', '1/48 of 8.0 GB'],
  ['auto', 24, 'circuit_breaker.available_mb', 'profile auto', "1/48 of 24.0 GB, but at most the workstation's figure"],
  ['laptop', 8, 'circuit_breaker.available_mb', 'default', undefined],
  ['auto', 0.5, 'node_options.agent_heap_size', 'profile auto', '1/12 of 512.0 MB, but at least 256 MB'],
  ['auto', 192, 'memory_management.memory_per_agent_gb', 'profile auto', "1/12 of 192.0 GB, but at most the workstation's figure"],
  ['auto', 24, 'memory_management.max_concurrent_agents', 'default', undefined],
  ['auto', 24, 'admission.lookahead', 'default', undefined],
  ['workstation', 24, 'memory_management.memory_per_agent_gb', 'profile workstation', '8 agents of 8 GB and a coordinator of 16 GB on a machine of 96 GB'],
  ['laptop', 16, 'admission.floor_mb', 'profile laptop', 'two agents beside a person who needs the other half of the machine'],
  ['laptop', 16, 'memory_management.memory_per_agent_gb', 'profile laptop', '1/6 of 16.0 GB'],
])('%s on %f GB says why %s', async (profile, gb, key, origin, reason) => {
  const { values } = await load({ gb, overrides: { profile } });
  const found = values.find((value) => value.key === key);
  expect([found?.origin, found?.reason]).toEqual([origin, reason]);
}); // prettier-ignore

test('no profile contradicts itself on any machine, and every figure is in its range', async () => {
  const machine = fc.double({ min: 0.01, max: 4096, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PROFILES), machine, async (profile, gb) => {
      const { values, warnings } = await load({ gb, overrides: { profile } });
      expect(warnings).toEqual([]);
      expect(values.map((value) => value.key)).toEqual(SETTING_KEYS);
      for (const key of SETTING_KEYS) {
        const [least, most] = settingOf(key).range ?? [0, 0];
        const found = values.find((value) => value.key === key)?.value;
        if (typeof found !== 'number') continue;
        expect(found).toBeGreaterThanOrEqual(least);
        expect(found).toBeLessThanOrEqual(most);
      }
    }),
    { numRuns: 50 },
  );
});

test('a smaller machine is never given larger figures', async () => {
  const machine = fc.double({ min: 0.1, max: 200, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PROFILES), machine, machine, async (profile, one, other) => {
      const [small, large] = one < other ? [one, other] : [other, one];
      const less = (await load({ gb: small, overrides: { profile } })).settings;
      const more = (await load({ gb: large, overrides: { profile } })).settings;
      expect(less.memoryPerAgentBytes).toBeLessThanOrEqual(more.memoryPerAgentBytes);
      expect(less.totalMemoryLimitBytes).toBeLessThanOrEqual(more.totalMemoryLimitBytes);
      expect(less.admission.floorBytes).toBeLessThanOrEqual(more.admission.floorBytes);
      expect(less.agentHeapMb).toBeLessThanOrEqual(more.agentHeapMb);
    }),
    { numRuns: 50 },
  );
});
