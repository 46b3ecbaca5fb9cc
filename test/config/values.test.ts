/** Is what people write for a setting read as what they mean, and junk refused? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SETTING_KEYS, settingOf } from '../../lib/config/settings.ts';
import type { SettingValue } from '../../lib/config/setting.ts';
import type { SettingKey } from '../../lib/config/settings.ts';
import { allowedText, parseValue, shown, wordsOf, writtenText } from '../../lib/config/values.ts';

const GOOD: readonly [SettingKey, string, SettingValue][] = [
  ['memory_management.memory_per_agent_gb', '0.25', 0.25],
  ['memory_management.memory_per_agent_gb', '1024', 1024],
  ['memory_management.memory_per_agent_gb', '8GB', 8],
  ['memory_management.memory_per_agent_gb', '8 GiB', 8],
  ['memory_management.memory_per_agent_gb', '512MB', 0.5],
  ['memory_management.memory_per_agent_gb', '0.3GB', 0.3],
  ['memory_management.memory_per_agent_gb', ' 2 ', 2],
  ['memory_management.coordinator_memory_gb', '0', 0],
  ['memory_management.max_concurrent_agents', '1', 1],
  ['memory_management.max_concurrent_agents', '1000', 1000],
  ['memory_management.cleanup_timeout', '30', 30],
  ['memory_management.cleanup_timeout', '500ms', 0.5],
  ['memory_management.cleanup_timeout', '1h', 3600],
  ['memory_management.enabled', 'true', true],
  ['memory_management.enabled', 'Yes', true],
  ['memory_management.enabled', '1', true],
  ['memory_management.enabled', 'off', false],
  ['memory_management.enabled', '0', false],
  ['node_options.agent_heap_size', '64', 64],
  ['node_options.agent_heap_size', '1.5GB', 1536],
  ['node_options.agent_heap_size', '1048576', 1048576],
  ['thresholds.warning_mb', '1', 1],
  ['thresholds.warning_mb', '0.5GB', 512],
  ['thresholds.warning_mb', '1024.5', 1024.5],
  ['thresholds.sample_interval', '0.05', 0.05],
  ['thresholds.sample_interval', '50ms', 0.05],
  ['thresholds.sample_interval', '2', 2],
  ['pressure.warning', '70%', 70],
  ['pressure.warning', '70', 70],
  ['pressure.warning', '0.7', 70],
  ['pressure.warning', '0.07', 7],
  ['pressure.warning', '1', 100],
  ['pressure.warning', '1%', 1],
  ['pressure.warning', '0.01', 1],
  ['pressure.warning', '100%', 100],
  ['thresholds.kernel_ceiling', 'OFF', 'off'],
  ['profile', 'laptop', 'laptop'],
  ['profile', 'Auto', 'auto'],
  ['feedback.estimator', 'VPA', 'vpa'],
  ['feedback.window', '256', 256],
  ['retry.policy', 'grow', 'grow'],
  ['retry.policy', 'Reduce', 'reduce'],
];

test.each(GOOD)('%s takes %j as %j', (key, text, value) => {
  expect(parseValue(settingOf(key), text)).toEqual({ value });
});

const BAD: readonly [SettingKey, string, RegExp][] = [
  ['memory_management.memory_per_agent_gb', '0.249', /too little/],
  ['memory_management.memory_per_agent_gb', '255MB', /too little/],
  ['memory_management.memory_per_agent_gb', '1024.1', /too much/],
  ['memory_management.memory_per_agent_gb', '-1', /too little/],
  ['memory_management.memory_per_agent_gb', '9'.repeat(400), /too much/],
  ...['0x10', '010', '0o17', '1e3', '1_000', '.inf', 'Infinity', '.nan', 'NaN', '8GBs', '8 G B', '8%', '8s', '1,5', '+8', '--8', '-', '.', 'GB', 'true', 'toString', '8;rm', '٨']
    .map((text) => ['memory_management.memory_per_agent_gb', text, /is no number of GB/] as [SettingKey, string, RegExp]), // prettier-ignore
  ['memory_management.memory_per_agent_gb', '', /has no value/],
  ['memory_management.memory_per_agent_gb', '  ', /has no value/],
  ['memory_management.max_concurrent_agents', '0', /too little/],
  ['memory_management.max_concurrent_agents', '1001', /too much/],
  ['memory_management.max_concurrent_agents', '2.5', /no whole number/],
  ['memory_management.max_concurrent_agents', '2MB', /no whole number/],
  ['memory_management.enabled', '2', /neither true nor false/],
  ['memory_management.enabled', 'ture', /neither true nor false/],
  ['node_options.agent_heap_size', '63', /too little/],
  ['node_options.agent_heap_size', '1048577', /too much/],
  ['node_options.agent_heap_size', '1000.5', /no whole number of MB/],
  ['node_options.agent_heap_size', '100KB', /no whole number of MB/],
  ['thresholds.warning_mb', '0', /too little/],
  ['thresholds.sample_interval', '0.049', /too little/],
  ['thresholds.sample_interval', '2.001', /too much/],
  ['thresholds.sample_interval', '1GB', /no number of seconds/],
  ['pressure.warning', '0.5%', /too little/],
  ['pressure.warning', '0', /too little/],
  ['pressure.warning', '101', /too much/],
  ['pressure.warning', '70%%', /no share/],
  ['thresholds.kernel_ceiling', 'on', /no choice of a kernel ceiling/],
  ['profile', 'server', /no profile/],
  ['feedback.estimator', 'p95', /no estimator/],
  ['feedback.window', '257', /too much/],
  ['retry.policy', 'laptop', /no retry policy/],
];

test.each(BAD)('%s refuses %j', (key, text, problem) => {
  const parsed = parseValue(settingOf(key), text);
  expect('problem' in parsed && parsed.problem).toMatch(problem);
});

test.each(SETTING_KEYS.map((key) => [key]))('%s takes both ends of its range and nothing beyond', (key) => {
  const setting = settingOf(key);
  const [least, most] = setting.range ?? [];
  if (least === undefined || most === undefined) {
    expect(setting.type === 'boolean' || wordsOf(setting.type) !== undefined).toBe(true);
    return;
  }
  const text = (value: number): string => writtenText(setting, value);
  expect(parseValue(setting, text(least))).toEqual({ value: least });
  expect(parseValue(setting, text(most))).toEqual({ value: most });
  expect(parseValue(setting, text(most + 1))).toHaveProperty('problem');
  expect(parseValue(setting, text(least - 1))).toHaveProperty('problem');
  expect(allowedText(setting)).toContain(String(least));
});

test('whatever text is given, the answer is a value in range or a problem of one short line', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SETTING_KEYS),
      fc.string({ unit: 'binary', maxLength: 200 }),
      (key, text) => {
        const setting = settingOf(key);
        const parsed = parseValue(setting, text);
        if ('problem' in parsed) {
          expect(parsed.problem.length).toBeLessThan(120);
          expect(parsed.problem).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        } else if (setting.range) {
          expect(parsed.value).toBeGreaterThanOrEqual(setting.range[0]);
          expect(parsed.value).toBeLessThanOrEqual(setting.range[1]);
        }
      },
    ),
  );
});

test('a value that is written is read back as the same value', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SETTING_KEYS), fc.double({ min: 0, max: 1, noNaN: true }), (key, at) => {
      const setting = settingOf(key);
      if (setting.range === undefined) return;
      const [least, most] = setting.range;
      const value = Math.round(Math.min(most, least + at * (most - least)));
      if (value < least) return;
      expect(parseValue(setting, writtenText(setting, value))).toEqual({ value });
    }),
  );
});

test.each([
  ['a\nb', 'a?b'],
  ['\u001b[31mred', '?[31mred'],
  ['\u202Eevil', '?evil'],
  ['x'.repeat(61), `${'x'.repeat(57)}…`],
])('%j is shown as one harmless line', (text, line) => {
  expect(shown(text)).toBe(line);
});
