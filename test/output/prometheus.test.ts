/** Is what is exported what a strict reader takes, whatever a name holds, with every series once? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineMetrics } from '../../lib/output/machine-metrics.ts';
import { expositionText, single, stateSet } from '../../lib/output/prometheus.ts';
import { judgeCapacity } from '../../lib/policy/capacity.ts';
import { judgeHealth } from '../../lib/policy/health.ts';
import { GIB } from '../../lib/units.ts';
import { hostileText } from '../support/hostile.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';
import { parseExposition } from '../support/prometheus.ts';

describe('expositionText', () => {
  it('writes HELP, TYPE and samples as the format asks for', () => {
    const text = expositionText([
      single('gauge', 'x_bytes', 'A \\ and\na break.', 1.5),
      { name: 'y_total', type: 'counter', help: 'h', samples: [{ labels: { a: 'q"\\\n', b: '' }, value: 1e21 }] },
      stateSet('z', 'h', 's', ['on', 'off'], 'off'),
      single('gauge', 'none', 'h', undefined),
      single('gauge', 'much', 'h', Infinity),
    ]); // prettier-ignore
    expect(text.split('\n')).toEqual([
      '# HELP x_bytes A \\\\ and\\na break.',
      '# TYPE x_bytes gauge',
      'x_bytes 1.5',
      '# HELP y_total h',
      '# TYPE y_total counter',
      'y_total{a="q\\"\\\\\\n",b=""} 1e+21',
      '# HELP z h',
      '# TYPE z gauge',
      'z{s="on"} 0',
      'z{s="off"} 1',
      '# HELP much h',
      '# TYPE much gauge',
      'much +Inf',
      '',
    ]);
  });

  it('gives back every label and help as it was, whatever it holds', () => {
    fc.assert(
      fc.property(fc.array(hostileText(), { maxLength: 4 }), hostileText(), (texts, help) => {
        const samples = texts.map((text, value) => ({ labels: { text, n: String(value) }, value }));
        const families = parseExposition(
          expositionText([
            { name: 'x', type: 'gauge', help, samples: [...samples, { labels: {}, value: 9 }] },
          ]),
        );
        expect(families[0]?.help).toBe(help);
        expect(families[0]?.series.slice(0, -1).map(({ labels }) => labels['text'])).toEqual(texts);
      }),
    );
  });
});

describe('the strict reader', () => {
  const head = '# HELP x h\n# TYPE x gauge\n';
  it.each([
    ['no end of the last line', `${head}x 1`],
    ['a sample without HELP', 'x 1\n'],
    ['a sample without TYPE', '# HELP x h\nx 1\n'],
    ['another metric’s sample', `${head}y 1\n`],
    ['a bare quote in a label', `${head}x{a="b"c"} 1\n`],
    ['an unknown escape', `${head}x{a="\\t"} 1\n`],
    ['a series twice', `${head}x{a="1",b="2"} 1\nx{b="2",a="1"} 1\n`],
    ['a counter without _total', '# HELP x h\n# TYPE x counter\nx 1\n'],
    ['a word for a value', `${head}x Infinity\n`],
    ['an empty line', `${head}\nx 1\n`],
    ['a dash in a name', '# HELP x-y h\n# TYPE x-y gauge\nx-y 1\n'],
  ])('refuses %s', (_what, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});

describe('machineMetrics', () => {
  it('tells of the machine, its cgroups and each agent, in bytes, seconds and shares', () => {
    const settings = someSettings();
    const pressure = { some10Share: 0.25, some60Share: 0.1, full10Share: 0, full60Share: 0, someTotalUs: 2_500_000, fullTotalUs: 0 }; // prettier-ignore
    const memory = { ...someMemory(8 * GIB, 16 * GIB, [{ name: '/a "b"\\c', totalBytes: 9 * GIB, availableBytes: 7 * GIB }]), pressure }; // prettier-ignore
    const leases = [
      someChecked({ key: 'e/1/A', limitBytes: 2 * GIB }, GIB / 2),
      someChecked({ key: 'e/1/B', role: 'subagent' }, GIB),
      { ...someChecked({ key: 'e/1/C' }), life: 'void-owner-dead' as const },
      // The same stream twice is one series.
      someChecked({ key: 'e/1/A' }, GIB / 2),
    ];
    const view = { version: '1.2.3', memory, health: judgeHealth(memory, settings), capacity: judgeCapacity({ settings, memory, leases, budget: undefined }), leases, spawnCapacity: 1, breakerState: 'half-open' }; // prettier-ignore
    const families = new Map(
      parseExposition(expositionText(machineMetrics(view))).map((family) => [family.name, family]),
    );
    const said = (name: string) =>
      families.get(`claude_pm_${name}`)?.series.map(({ labels, value }) => [Object.values(labels).join(' '), value]); // prettier-ignore
    expect(said('memory_available_bytes')).toEqual([['machine', 8 * GIB], ['/a "b"\\c', 7 * GIB]]); // prettier-ignore
    expect(said('memory_stalled_seconds_total')).toEqual([['some', 2.5], ['full', 0]]); // prettier-ignore
    expect(said('swap_total_bytes')).toBeUndefined();
    expect(said('agents_running')).toEqual([['', 3]]);
    expect(said('circuit_breaker')).toEqual([['closed', 0], ['open', 0], ['half-open', 1]]); // prettier-ignore
    expect(said('leases')).toEqual([['live', 3], ['unchecked', 0], ['void-owner-dead', 1], ['void-expired', 0]]); // prettier-ignore
    expect(said('agent_memory_bytes')).toEqual([['/project shop e/1/A worker agent', GIB]]);
    expect(said('agent_limit_bytes')).toEqual([['/project shop e/1/A worker agent', 2 * GIB]]);
    expect(families.get('claude_pm_headroom_bytes')?.series[0]?.value).toBe(view.capacity.headroomBytes);
  });
});
