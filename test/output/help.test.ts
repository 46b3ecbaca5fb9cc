/** Does the help show every sub-command, flag and word that there is, and the exit codes? */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Flag } from '../../lib/flags.ts';
import { helpText } from '../../lib/output/help.ts';
import { commands, program, withFallback, withSubject } from '../fixtures/small-program.ts';

const golden = (name: string): string => join(import.meta.dirname, '..', 'golden', name);
const common = { json: { meaning: 'one JSON document' }, project: { value: 'DIR', meaning: 'the folder' } };

describe('the help', () => {
  it('of a program names everything that can be called', async () => {
    const text = helpText(program, undefined, common);
    for (const [name, { summary }] of Object.entries(commands)) {
      expect(text).toMatch(new RegExp(`^ {2}${name}\\b.* {2}${summary}$`, 'm'));
    }
    await expect(text).toMatchFileSnapshot(golden('help-program.txt'));
  });

  it.each(Object.keys(commands))('of the sub-command %s shows its words and each of its flags', (name) => {
    const text = helpText(program, name, common);
    const command = commands[name];
    expect(text.split('\n')[0]).toBe(
      ['small', name, command?.args, '[FLAGS]', command?.rest && `-- ${command.rest}`].filter(Boolean).join(' '),
    );
    const flags: Record<string, Flag> = { ...command?.flags, ...common };
    for (const [flag, { meaning, value }] of Object.entries(flags)) {
      const words = value === undefined ? flag : `${flag} ${value}`;
      expect(text).toMatch(new RegExp(`^ {2}--${words} +${meaning}$`, 'm'));
    }
  }); // prettier-ignore

  it('shows a word that stands before the sub-command, and one that need not be named', () => {
    expect(helpText(withSubject, undefined, common)).toContain('scripts/small.ts EPIC SUB-COMMAND [FLAGS]');
    expect(helpText(withSubject, 'echo', common)).toMatch(/^small EPIC echo WORD \[MORE\] \[FLAGS\]\n/);
    expect(helpText(withFallback, undefined, common)).toContain('scripts/small.ts [SUB-COMMAND] [FLAGS]');
  });
});
