/** Does `memory-monitor export` give a scraper the figures of this machine and of the agents in the ledger? */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectFault, makeLab, ROOMY } from '../support/scripts.ts';
import { parseExposition } from '../support/prometheus.ts';

it('shows the machine and each agent to a strict reader, on stdout and in a file that others may read', async () => {
  const lab = makeLab();
  const { pid } = lab.hold();
  await lab.run('coordination-memory', ['e', 'spawn', '7/A', '--pid', String(pid), '--memory', '64MB', ...ROOMY]); // prettier-ignore
  const ended = lab.call('memory-monitor', ['export', ...ROOMY]);
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  const families = new Map(parseExposition(ended.stdout).map((family) => [family.name, family.series]));
  const valueOf = (name: string, labels: object = {}): number | undefined =>
    families.get(`claude_pm_${name}`)?.find((series) => Object.entries(labels).every(([label, value]) => series.labels[label] === value))?.value; // prettier-ignore
  const totalBytes = Number(/^MemTotal: +(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  expect(valueOf('memory_total_bytes', { bound: 'machine' })).toBe(totalBytes);
  expect(valueOf('agents_running')).toBe(1);
  const agent = { project: lab.project, epic: 'e', key: 'e/7/A', role: 'agent' };
  expect(valueOf('agent_estimate_bytes', agent)).toBe(64 * 1024 ** 2);
  // The very process that was named: a sleep, which holds next to nothing.
  expect(valueOf('agent_memory_bytes', agent)).toBeLessThan(4 * 1024 ** 2);
  expect(valueOf('circuit_breaker', { state: 'closed' })).toBe(1);

  expect(lab.call('memory-monitor', ['export', '--file', 'x.prom', ...ROOMY])).toMatchObject({ status: 0, stdout: '' }); // prettier-ignore
  expect(parseExposition(lab.read('x.prom')).map(({ name }) => name)).toEqual([...families.keys()]);
  expect(statSync(join(lab.project, 'x.prom')).mode & 0o777).toBe(0o644);
  const refused = lab.call('memory-monitor', ['export', '--fil', 'y.prom']);
  expectFault(refused, 2, /no flag `--fil`; did you mean --file\?/);
  expect(existsSync(join(lab.project, 'y.prom'))).toBe(false);
});
