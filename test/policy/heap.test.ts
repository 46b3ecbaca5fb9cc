/** Do heaps, limits and NODE_OPTIONS come out as the table says, and does merging keep what is the user's? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agentHeapMb,
  agentLimitBytes,
  heapFor,
  mergeNodeOptions,
  splitNodeOptions,
  userNodeOptions,
} from '../../lib/policy/heap.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { GIB, MIB } from '../../lib/units.ts';

const settings = { agentHeapMb: 2048, memoryPerAgentBytes: 2 * GIB } as Settings;
const none = { limitBytes: undefined, heapMb: undefined };

describe('agentLimitBytes', () => {
  it.each([
    ['1.25 x the heap, where that is more', none, none, true, 2560 * MIB],
    ['memory_per_agent_gb, where no heap flag holds', none, none, false, 2 * GIB],
    ['the kind’s own, even under its heap', { limitBytes: GIB, heapMb: undefined }, none, true, GIB],
    [
      'the stream’s own before the kind’s',
      { limitBytes: GIB, heapMb: 64 },
      { limitBytes: 3 * GIB, heapMb: undefined },
      true,
      3 * GIB,
    ],
    [
      'memory_per_agent_gb, where the heap is small',
      { limitBytes: undefined, heapMb: 1024 },
      none,
      true,
      2 * GIB,
    ],
    [
      '1.25 x the stream’s heap',
      { limitBytes: undefined, heapMb: 1024 },
      { limitBytes: undefined, heapMb: 4096 },
      true,
      5 * GIB,
    ],
    [
      'the same at the border',
      { limitBytes: undefined, heapMb: 1639 },
      none,
      true,
      Math.ceil(1639 * MIB * 1.25),
    ],
  ])('is %s', (_, kind, stream, takesHeap, bytes) => {
    expect(agentLimitBytes(settings, kind, stream, takesHeap)).toBe(bytes);
  });

  it('takes the heap of the stream, then of the kind, then of the settings', () => {
    expect(agentHeapMb(settings)).toBe(2048);
    expect(agentHeapMb(settings, { heapMb: 512 })).toBe(512);
    expect(agentHeapMb(settings, { heapMb: 512 }, { heapMb: 128 })).toBe(128);
  });
});

describe('heapFor', () => {
  it.each([
    [0, 64],
    [80 * MIB - 1, 64],
    [80 * MIB, 64],
    [159 * MIB, 64],
    [160 * MIB, 128],
    [GIB, 768],
    [10 * GIB, 8192],
  ])('of a limit of %d bytes is %d MB', (limit, heap) => {
    expect(heapFor(limit)).toBe(heap);
  });

  it('never gives a heap that with its quarter is over the limit, from 80 MB on, and never shrinks as limits grow', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 80, max: 100_000 }),
        fc.integer({ min: 0, max: 1000 }),
        (limitMb, more) => {
          expect(heapFor(limitMb * MIB) * 1.25).toBeLessThanOrEqual(limitMb);
          expect(heapFor((limitMb + more) * MIB)).toBeGreaterThanOrEqual(heapFor(limitMb * MIB));
        },
      ),
    );
  });
});

describe('splitNodeOptions', () => {
  it.each([
    ['', []],
    ['  --a   --b=1 ', ['--a', '--b=1']],
    ['--require "/a b/c.cjs"', ['--require', '/a b/c.cjs']],
    ['"--max-old-space-size=8192"', ['--max-old-space-size=8192']],
    ['--require="/a\\\\b \\"c.cjs"', ['--require=/a\\b "c.cjs']],
    ['--require=/a\\b', ['--require=/a\\b']],
    ["'--max-old-space-size=8192'", ["'--max-old-space-size=8192'"]],
    ['--a\t--b', ['--a\t--b']],
    ['""', []],
    ['--a "', undefined],
    ['--a "x\\', undefined],
  ])('splits %j as Node does', (text, words) => {
    expect(splitNodeOptions(text)).toEqual(words);
  });
});

const OURS = ['--max-old-space-size=2048', '--expose-gc', '--require=/kit/env/claude-pm-frugal.cjs'];
const TEXT = OURS.join(' ');

describe('mergeNodeOptions', () => {
  it.each([
    [undefined, TEXT],
    ['', TEXT],
    ['--max-old-space-size=512', TEXT],
    ['--max_old_space_size=512', TEXT],
    ['"--max-old-space-size=512"', TEXT],
    ['--max-old-space-size 512', TEXT],
    ['--max-old-space-size-percentage=50', TEXT],
    ['--max-heap-size=300', TEXT],
    ['--expose_gc', TEXT],
    ['--max-semi-space-size=16', `${TEXT} --max-semi-space-size=16`],
    ['--max-old-space-size=1 --no-warnings --expose-gc --title=x', `${TEXT} --no-warnings --title=x`],
    ['--require /kit/env/claude-pm-frugal.cjs --no-warnings', `${TEXT} --no-warnings`],
    ['-r /old/place/env/claude-pm-frugal.cjs', TEXT],
    ['--require=/mine/hook.cjs -r "/a b.cjs"', `${TEXT} --require=/mine/hook.cjs -r "/a b.cjs"`],
    ['foo --max-old-space-size=777', `${TEXT} foo`],
    ['${BASE} --no-warnings', `${TEXT} \${BASE} --no-warnings`],
    ['--a "', undefined],
  ])('of %j', (existing, merged) => {
    expect(mergeNodeOptions(existing, OURS)).toBe(merged);
  });

  it('writes a path with spaces, quotes and backslashes so that Node reads the same path', () => {
    const path = '--require=/a b/c"d\\e/x.cjs';
    expect(splitNodeOptions(mergeNodeOptions('', [path]) ?? '')).toEqual([path]);
  });

  const word = fc.oneof(
    fc.constantFrom(
      ...OURS,
      '--max_old_space_size=4',
      '--expose_gc',
      '-r',
      '--require',
      'foo',
      '--no-warnings',
      '/x/claude-pm-frugal.cjs',
    ),
    fc.string({ minLength: 1, maxLength: 12 }),
  );
  const options = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '));

  it('merged twice is merged once, and ours stand first whatever the user has', () => {
    fc.assert(
      fc.property(options, (text) => {
        const once = mergeNodeOptions(text, OURS);
        expect(once === undefined).toBe(splitNodeOptions(text) === undefined);
        fc.pre(once !== undefined);
        expect(mergeNodeOptions(once, OURS)).toBe(once);
        expect(splitNodeOptions(once)?.slice(0, 3)).toEqual(OURS);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives back exactly the text from before, however often and with whatever heaps it was set up', () => {
    fc.assert(
      fc.property(options, fc.array(fc.integer({ min: 64, max: 9999 }), { maxLength: 3 }), (text, heaps) => {
        fc.pre(splitNodeOptions(text) !== undefined && !text.includes('claude-pm-frugal'));
        let env: { nodeOptions: string; base: string | undefined; heapMb: string | undefined } = {
          nodeOptions: text,
          base: undefined,
          heapMb: undefined,
        };
        for (const heap of heaps) {
          const base = userNodeOptions(env);
          const merged = mergeNodeOptions(base, [`--max-old-space-size=${heap}`, ...OURS.slice(1)]);
          env = { nodeOptions: merged ?? '', base, heapMb: String(heap) };
        }
        expect(userNodeOptions(env)).toBe(text);
      }),
    );
  });
});

describe('userNodeOptions', () => {
  it.each([
    ['nothing set', undefined, undefined, undefined, ''],
    ['never set up', '--no-warnings', undefined, undefined, '--no-warnings'],
    [
      'a preload of ours without a trace',
      `--no-warnings ${OURS[2] ?? ''}`,
      undefined,
      undefined,
      '--no-warnings',
    ],
    [
      'untouched since',
      `${TEXT} --no-warnings`,
      '--max-old-space-size=99 --no-warnings',
      '2048',
      '--max-old-space-size=99 --no-warnings',
    ],
    [
      'a flag added since',
      `${TEXT} --no-warnings --title=x`,
      '--no-warnings',
      '2048',
      '--no-warnings --title=x',
    ],
    [
      'a flag added since, and one of ours in place of the user’s',
      `${TEXT} --title=x`,
      '--max-old-space-size=99',
      '2048',
      '--title=x --max-old-space-size=99',
    ],
    ['replaced whole since', '--max-old-space-size=100', '--no-warnings', '2048', '--max-old-space-size=100'],
    ['emptied since', '', '--no-warnings', '2048', ''],
  ])('with %s', (_, nodeOptions, base, heapMb, text) => {
    expect(userNodeOptions({ nodeOptions, base, heapMb })).toBe(text);
  });
});
