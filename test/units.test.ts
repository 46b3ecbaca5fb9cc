/** Is a size, a share or a duration read as people mean it, and written so that nobody misreads it? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatShare,
  gigabytes,
  GIB,
  KIB,
  megabytes,
  MIB,
  parseDuration,
  parseShare,
  parseSize,
} from '../lib/units.ts';

const NO_NUMBERS = [
  '', ' ', '-', '-1', '+1', '1,5GB', '1.GB', '1e3', '0x10', 'Infinity', 'NaN', 'GB', '8 G B', '8GB8', '8XB', '1..5',
  '1.5.2', '٣GB', '8GB\0', 'constructor', '8constructor', '8__proto__', '8toString', '8\u00b5', '9'.repeat(400),
]; // prettier-ignore

describe('parseSize', () => {
  it.each([
    ['0', 0], ['1', 1], ['1b', 1], ['1KB', KIB], ['1kib', KIB], ['1m', MIB], ['8GB', 8 * GIB], ['8 gb', 8 * GIB],
    [' 512 MB ', 512 * MIB], ['1.5g', 1.5 * GIB], ['.5GiB', GIB / 2], ['0.0001KB', 0], ['2097152', 2 * MIB],
    ['1TB', 1024 * GIB], ['9007199254740991', Number.MAX_SAFE_INTEGER], ['\t8GB\n', 8 * GIB],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  }); // prettier-ignore

  it.each([...NO_NUMBERS, '9007199254740992', '8192TB', '50%'])('does not take %j for a size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('answers a whole number of bytes or nothing, whatever it is given', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,25} ?[kmgtbiKMGTB]{0,3}$/));
    fc.assert(
      fc.property(text, (word) => {
        const bytes = parseSize(word);
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true);
      }),
    );
  });

  it('decides on a megabyte of digits or blanks without hanging', () => {
    const startMs = performance.now();
    for (const text of ['1'.repeat(MIB), ' '.repeat(MIB), `${'1'.repeat(MIB / 2)}.x`]) parseSize(text);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });
});

describe('parseDuration', () => {
  it.each([
    ['0', 0], ['0s', 0], ['1ms', 1], ['0.4ms', 0], ['30', 30_000], ['30s', 30_000], ['.5s', 500], ['2m', 120_000],
    ['2min', 120_000], ['1.5h', 5_400_000], ['1d', 86_400_000], [' 1 H ', 3_600_000],
  ])('reads %j as %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  }); // prettier-ignore

  it.each([...NO_NUMBERS, '1w', '1s30', '1m30s', '1:30'])('does not take %j for a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('parseShare', () => {
  it.each([['0', 0], ['0%', 0], ['25%', 0.25], ['0.25', 0.25], ['1', 1], ['100%', 1], ['100 %', 1], ['.5%', 0.005]])(
    'reads %j as %d',
    (text, share) => {
      expect(parseShare(text)).toBe(share);
    },
  ); // prettier-ignore

  it.each(['', '%', '101%', '1.01', '25', '-1%', '1%%', '25 percent', '1e-1'])('does not take %j', (text) => {
    expect(parseShare(text)).toBeUndefined();
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0B'], [1, '1B'], [1023, '1023B'], [KIB, '1.0KB'], [MIB - 1, '1.0MB'], [MIB, '1.0MB'], [1023.9 * KIB, '1023.9KB'],
    [1023.9 * MIB, '1023.9MB'], [GIB - 1, '1.0GB'], [GIB, '1.0GB'], [1.25 * GIB, '1.3GB'], [2048 * GIB, '2048.0GB'],
    [-1, '-1B'], [-MIB, '-1.0MB'], [-1.5 * GIB, '-1.5GB'],
  ])('writes %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  }); // prettier-ignore

  it('writes what parseSize reads back within its last digit, and never 1024 of a unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
        const text = formatBytes(bytes);
        const back = parseSize(text) ?? NaN;
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(Math.max(0.5, back * 0.051));
        expect(text).not.toMatch(/^1024\.0[KM]B$/);
      }),
    );
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0ms'], [0.4, '0ms'], [999, '999ms'], [999.6, '1.0s'], [1000, '1.0s'], [59_949, '59.9s'], [59_999, '1m00s'],
    [60_000, '1m00s'], [185_000, '3m05s'], [3_599_000, '59m59s'], [3_599_999, '1h00m'], [3_600_000, '1h00m'],
    [7_620_000, '2h07m'], [90_000_000, '25h00m'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  }); // prettier-ignore
});

describe('figures without a unit', () => {
  it.each([[0, 0], [MIB, 1], [1.04 * MIB, 1], [512.25 * MIB, 512.3], [-MIB, -1]])('%d bytes are %d MB', (bytes, mb) => {
    expect(megabytes(bytes)).toBe(mb);
  }); // prettier-ignore

  it.each([[0, 0], [23.544 * GIB, 23.54], [GIB / 1000, 0]])('%d bytes are %d GB', (bytes, gb) => {
    expect(gigabytes(bytes)).toBe(gb);
  }); // prettier-ignore

  it.each([[0, '0%'], [0.004, '0%'], [0.25, '25%'], [1, '100%']])('share %d is %s', (share, text) => {
    expect(formatShare(share)).toBe(text);
  }); // prettier-ignore
});
