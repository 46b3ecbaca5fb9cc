/** Does the settings file that is fitted to a machine load, give what it was made from, and start what is installed? */
import { expect, it } from 'vitest';
import { fittedFile } from '../../lib/config/fitted.ts';
import { AGENT_PROGRAMS } from '../../lib/policy/agent-programs.ts';
import { GIB } from '../../lib/units.ts';
import { load } from './world.ts';

const kinds = (...found: string[]) =>
  AGENT_PROGRAMS.map((program) => ({
    ...program,
    path: found.includes(program.name) ? `/usr/bin/${program.name}` : undefined,
  }));

it.each([0.5, 8, 24, 96, 512])('on %d GB it loads as the settings that it was made from, with the reason of each', async (gb) => {
  const plain = await load({ gb });
  const text = fittedFile(plain.values, gb * GIB, kinds());
  const fitted = await load({ gb, project: text });
  expect(fitted.settings).toEqual(plain.settings);
  expect(fitted.warnings).toEqual([]);
  expect(text).toMatch(/ Here: .*\.\n {2}memory_per_agent_gb: [\d.]+$/m);
}); // prettier-ignore

it('programs that are here stand ready, the first also as the default; the others wait behind a #', async () => {
  const { values } = await load({});
  const text = fittedFile(values, 24 * GIB, kinds('claude', 'gemini'));
  const { settings } = await load({ project: text });
  expect([...settings.agents.keys()]).toEqual(['default', 'claude', 'gemini']);
  expect(settings.agents.get('default')).toEqual(settings.agents.get('claude'));
  expect(settings.agents.get('gemini')?.env).toEqual({ GEMINI_CLI_NO_RELAUNCH: 'true' });
  expect(text).toMatch(/^ {2}# codex:$/m);

  const all = fittedFile(values, 24 * GIB, kinds(...AGENT_PROGRAMS.map(({ name }) => name)));
  expect((await load({ project: all })).settings.agents.size).toBe(AGENT_PROGRAMS.length + 1);
  expect((await load({ project: fittedFile(values, 24 * GIB, kinds()) })).settings.agents.size).toBe(0);
});
