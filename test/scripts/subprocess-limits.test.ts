/** Is a tool that takes too much stopped alone, so that its agent reads the exit and goes on, and no innocent tool with it? */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventsOf, makeLab, ROOMY, streamsFile } from '../support/scripts.ts';

/** Grows by so many MB within about a second, says that it is there, and ends when the file `go` is there. */
const GROW = `
const { existsSync, writeFileSync } = require('node:fs');
const [mb, name] = process.argv.slice(2);
const held = [];
const grow = () => {
  if (held.length < mb / 5) { held.push(Buffer.alloc(5 * 2 ** 20, 1)); return setTimeout(grow, 5000 / mb); }
  writeFileSync(name + '.grown', '');
  setInterval(() => existsSync('go') && process.exit(held.length > 0 ? 0 : 1), 20);
};
grow();
`;
const SUBPROCESS = ['--set', 'subprocess.enabled=true'];

it('in a run: over the sum of all tools the one that grows goes, its agent reads 137 and is done, the others are let be', async () => {
  const lab = makeLab();
  lab.write('grow.cjs', GROW);
  const tool = (mb: number, name: string): string => `"${process.execPath}" grow.cjs ${mb} ${name}; echo "$?" > ${name}.exit`;
  streamsFile(lab, [
    { id: 'GOOD', command: tool(20, 'good'), memory: '100MB', limit: '900MB' },
    { id: 'FINE', command: tool(20, 'fine'), memory: '100MB', limit: '900MB' },
    // It begins when the others are there, and all may end when it is gone.
    { id: 'BAD', command: `while [ ! -e good.grown ] || [ ! -e fine.grown ]; do sleep 0.02; done; sleep 0.7; ${tool(700, 'bad')}; touch go`, memory: '100MB', limit: '900MB' },
  ]);
  const limits = ['warn_mb=250', 'limit_mb=350', 'aggregate_mb=350'].flatMap((one) => ['--set', `subprocess.${one}`]);
  const ended = await lab.run('coordination-memory', ['e', 'run', '--streams', 'streams.yaml', '--json', ...ROOMY, ...SUBPROCESS, ...limits]);

  expect([ended.status, ended.stderr]).toEqual([0, '']);
  expect(['bad', 'good', 'fine'].map((name) => lab.read(`${name}.exit`))).toEqual(['137\n', '0\n', '0\n']);
  const stops = eventsOf(ended.stdout, 'stopping');
  expect(stops.map(({ key }) => key)).toEqual(['e/0/BAD']);
  expect(stops[0]?.reason).toMatch(/^LIMIT: Memory exceeded 350MB at [\d.]+MB in 3 tools; process \d+ \(.+\) below the agent (grew by|is) .*: it goes, the agent stays$/);
  const evidence = JSON.parse(readFileSync(stops[0]?.evidence ?? '', 'utf8')) as { members: { command: string }[] };
  expect(evidence.members[0]?.command).toContain('grow.cjs 700 bad');
  expect(eventsOf(ended.stdout, 'note').map(({ text }) => text)).toEqual([expect.stringMatching(/of e\/0\/BAD is gone; all tools hold [\d.]+[MG]?B, [\d.]+MB less$/)]);
}); // prettier-ignore

it('under memory-monitor run: a tool is warned of, then stopped at its own limit, and the command goes on', async () => {
  const lab = makeLab();
  lab.write('grow.cjs', GROW);
  const line = `"${process.execPath}" grow.cjs 300 tool; echo "the tool: $?"; exit 7`;
  const limits = ['warn_mb=100', 'limit_mb=150'].flatMap((one) => ['--set', `subprocess.${one}`]);
  const ended = await lab.run('memory-monitor', ['run', ...SUBPROCESS, ...limits, ...ROOMY, '--', 'sh', '-c', line]);

  expect([ended.status, ended.stdout]).toEqual([7, 'the tool: 137\n']);
  expect(ended.stderr).toMatch(/WARNING: Memory exceeded 100MB at [\d.]+MB by process \d+ \(.+\) below the agent\n/);
  expect(ended.stderr).toMatch(/LIMIT: Memory exceeded 150MB at [\d.]+MB\n.*holds it: it goes, the command stays; evidence in \//);
}); // prettier-ignore
