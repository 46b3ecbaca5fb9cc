/** Can a script that reads our exit codes tell them apart? */
import { describe, expect, it } from 'vitest';
import { errorCode, EXIT, Failure } from '../lib/failure.ts';

describe('exit codes', () => {
  it('are the ones that are promised, each another, none that a shell or a signal gives', () => {
    expect(EXIT).toEqual({ ok: 0, bug: 1, mend: 2, warning: 20, critical: 30, later: 75 });
    expect(Object.values(EXIT).every((code) => code < 126)).toBe(true);
  });

  it('of an expected error is to mend something, unless it says otherwise', () => {
    expect([new Failure('x').exitCode, new Failure('x', EXIT.later).exitCode]).toEqual([2, 75]);
  });
});

describe('errorCode', () => {
  it.each([
    ['a system error', Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'],
    ['an error with a number', Object.assign(new Error('x'), { code: 2 }), undefined],
    ['an error without one', new Error('x'), undefined],
    ['no error at all', { code: 'ENOENT' }, undefined],
    ['nothing', undefined, undefined],
  ])('of %s', (_what, error, code) => {
    expect(errorCode(error)).toBe(code);
  });
});
