/** Are keys that contradict each other faults that name both, while what nobody wrote gives way? */
import { expect, test } from 'vitest';
import { faultsOf, load, shorten, told } from './world.ts';

const MEMORY = 'memory_management.memory_per_agent_gb';
const HEAP = 'node_options.agent_heap_size';
const COORDINATOR = 'memory_management.coordinator_memory_gb';
const COORDINATOR_HEAP = 'node_options.coordinator_heap_size';
const TOTAL = 'memory_management.total_memory_limit_gb';
const [WARNING, CRITICAL, MAX] = ['thresholds.warning_mb', 'thresholds.critical_mb', 'thresholds.max_mb'];

const CONTRADICTIONS: readonly [Record<string, string>, string[]][] = [
  [{ [MEMORY]: '4', [HEAP]: '4097' }, [`--set ${MEMORY}: 4 GB must be at least ${HEAP} 4097 MB (--set); allowed: at least 4.0009765625 (GB)`]],
  [{ [MEMORY]: '4', [HEAP]: '4096' }, []],
  [{ [MEMORY]: '4', [TOTAL]: '3.9' }, [`--set ${TOTAL}: 3.9 GB must be at least ${MEMORY} 4 GB (--set); allowed: at least 4 (GB)`]],
  [{ [MEMORY]: '4', [TOTAL]: '4', [COORDINATOR]: '0' }, []],
  [{ [WARNING]: '2048' }, [`--set ${WARNING}: 2048 MB must be below ${CRITICAL} 2048 MB (default); allowed: below 2048 (MB)`]],
  [{ [WARNING]: '2047' }, []],
  [{ [WARNING]: '600', [CRITICAL]: '500' }, [`--set ${CRITICAL}: 500 MB must be above ${WARNING} 600 MB (--set); allowed: above 600 (MB)`]],
  [{ [CRITICAL]: '4096' }, [`--set ${CRITICAL}: 4096 MB must be below ${MAX} 4096 MB (default); allowed: below 4096 (MB)`]],
  [{ 'pressure.warning': '85%' }, ['--set pressure.warning: 85% must be below pressure.critical 85% (default); allowed: below 85%']],
  [{ 'pressure.critical': '0.5' }, ['--set pressure.critical: 50% must be above pressure.warning 70% (default); allowed: above 70%']],
  [{ 'pressure.warning': '84', 'pressure.critical': '85' }, []],
  [{ 'admission.sequential_mb': '4097' }, ['--set admission.sequential_mb: 4097 MB must be at most admission.limited_mb 4096 MB (1/6 of 24.0 GB, but at most the workstation\'s figure); allowed: at most 4096 (MB)']],
  [{ 'admission.sequential_mb': '0', 'admission.limited_mb': '0' }, []],
  [{ 'circuit_breaker.recovery': '600' }, []],
  [{ 'circuit_breaker.recovery': '11m' }, ['--set circuit_breaker.recovery: 660 s must be at most circuit_breaker.recovery_max 600 s (default); allowed: at most 600 (s)']],
  [{ 'circuit_breaker.recovery_max': '20' }, ['--set circuit_breaker.recovery_max: 20 s must be at least circuit_breaker.recovery 30 s (default); allowed: at least 30 (s)']],
]; // prettier-ignore

test.each(CONTRADICTIONS)('%j is told with both keys, or is none', async (overrides, faults) => {
  expect(await faultsOf({ overrides })).toEqual(faults);
});

test('a limit in one file and a heap in another are told with both places', async () => {
  const home = 'memory_management:\n  memory_per_agent_gb: 2\n';
  const project = '\nnode_options:\n  agent_heap_size: 8192\n';
  expect(await faultsOf({ home, project })).toEqual([
    `U:2 ${MEMORY}: 2 GB must be at least ${HEAP} 8192 MB (P:3); allowed: at least 8 (GB)`,
  ]);
});

test.each([
  [{ [MEMORY]: '1' }, 24, HEAP, '819MB < profile auto'],
  [{ [MEMORY]: '1.999' }, 24, HEAP, '1637MB < profile auto'],
  [{ [MEMORY]: '2' }, 24, HEAP, '2048MB < profile auto'],
  [{ [MEMORY]: '8' }, 24, HEAP, '2048MB < profile auto'],
  [{ [MEMORY]: '4', profile: 'workstation' }, 96, HEAP, '3276MB < profile workstation'],
  [{ [COORDINATOR]: '2' }, 24, COORDINATOR_HEAP, '1638MB < profile auto'],
  [{ [COORDINATOR]: '0' }, 24, COORDINATOR_HEAP, '64MB < profile auto'],
  [{ [MAX]: '512' }, 24, CRITICAL, '256MB < default'],
  [{ [MAX]: '512' }, 24, WARNING, '128MB < default'],
  [{ [MAX]: '2048' }, 24, CRITICAL, '1024MB < default'],
  [{ [MAX]: '2048' }, 24, WARNING, '1024MB < default'],
  [{ [MAX]: '2049' }, 24, CRITICAL, '2048MB < default'],
  [{ [CRITICAL]: '1000' }, 24, WARNING, '500MB < default'],
  [{ [MAX]: '8000' }, 24, CRITICAL, '2048MB < default'],
  [{ 'admission.limited_mb': '0' }, 24, 'admission.sequential_mb', '0MB < profile auto'],
  [{ 'admission.limited_mb': '3000' }, 24, 'admission.sequential_mb', '2048MB < profile auto'],
])('with %j written on %i GB, %s gives way to it', async (overrides, gb, key, expected) => {
  expect(await told({ overrides, gb }, key)).toBe(expected);
});

test('a figure that gave way says to what', async () => {
  const { values } = await load({ project: 'memory_management:\n  memory_per_agent_gb: 1\n' });
  expect(shorten(values.find(({ key }) => key === HEAP)?.reason ?? '')).toBe(`4/5 of ${MEMORY} (P:2)`);
});

test.each([
  [{}, []],
  [{ [HEAP]: '8192' }, [`${HEAP} 8192 MB (--set) lets an agent grow beyond what is reserved for it, ${MEMORY} 2 GB (1/12 of 24.0 GB)`]],
  [{ [HEAP]: '2048' }, []],
  [{ [COORDINATOR]: '1', [COORDINATOR_HEAP]: '1025' }, [`${COORDINATOR_HEAP} 1025 MB (--set) lets the coordinator grow beyond what is kept for it, ${COORDINATOR} 1 GB (--set)`]],
  [{ [TOTAL]: '6' }, []],
  [{ [TOTAL]: '5.9' }, [`${COORDINATOR} 4 GB (1/6 of 24.0 GB) and one agent, ${MEMORY} 2 GB (1/12 of 24.0 GB), are more than ${TOTAL} 5.9 GB (--set): at most one agent runs at a time`]],
])('%j loads with the right warnings', async (overrides, warnings) => {
  expect((await load({ overrides })).warnings).toEqual(warnings);
}); // prettier-ignore
