/** Does `memory-monitor run` pass its command through as it is, and end all of it at its limit and nothing else? */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openCeilings } from '../../lib/act/ceiling.ts';
import { findGroups } from '../../lib/probe/group-state.ts';
import { isRunning, makeLab, ROOMY, waitFor, type Lab } from '../support/scripts.ts';

const NAME = 'memory-monitor';
const RUN = ['run', ...ROOMY, '--set', 'memory_management.cleanup_timeout=1'];

/** The groups of a run of ours by the runner's pid. */
const groupsOf = (pid: number): string[] =>
  findGroups((name) => name.startsWith('claude-pm-') && name.includes(`.${pid}.`)).map(
    ({ folder }) => folder,
  );

const pidIn = async (lab: Lab, name: string): Promise<number> => {
  await waitFor(() => lab.read(name).endsWith('\n'), name);
  return Number(lab.read(name));
};

it.each<[string, readonly string[], number, string, RegExp]>([
  ['its output and its code', ['sh', '-c', 'cat; echo no >&2; exit 7'], 7, 'in\n', /^no\n$/],
  ['the code of a signal', ['sh', '-c', 'kill -USR1 $$'], 138, '', /^$/],
  ['a program that is not there', ['not-there'], 127, '', /not-there cannot be started \(spawn not-there ENOENT\)/],
  ['a file that is no program', ['/etc/passwd'], 126, '', /cannot be started/],
  ['words that a shell would read otherwise', ['printf', '%s|', "a 'b", '$HOME', '*', '-'], 0, "a 'b|$HOME|*|-|", /^$/],
])('hands on %s', async (_what, words, status, stdout, stderr) => {
  const ended = await makeLab().run(NAME, [...RUN, '--', ...words], { input: 'in\n' });
  expect(ended).toMatchObject({ status, stdout, stderr: expect.stringMatching(stderr) as string });
}); // prettier-ignore

it('what a command leaves running at a good end lives on, as without a guard, and no group stays', async () => {
  const lab = makeLab();
  const words = ['sh', '-c', 'setsid sleep 1000 <&- >&- 2>&- & echo $! > left'];
  const run = lab.start(NAME, [...RUN, '--', ...words]);
  expect((await run.ended).status).toBe(0);
  const pid = await pidIn(lab, 'left');
  expect([isRunning(pid), groupsOf(run.pid)]).toEqual([true, []]);
});

it('at its limit all of it goes, also a deaf daemon that took a session and dropped its environment', async (context) => {
  const { kind, reason } = openCeilings();
  if (kind === 'none') return context.skip(`a group of the kernel is what finds it: ${reason}`);
  const lab = makeLab();
  lab.write('leak.cjs', 'const held = []; setInterval(() => held.push(Buffer.alloc(4 << 20, 1)), 10);');
  lab.write('daemon.sh', "trap '' TERM HUP INT; echo $$ > daemon; while :; do sleep 0.1; done");
  const words = `(setsid env -i PATH="$PATH" sh daemon.sh &); until test -s daemon; do sleep 0.02; done; exec ${process.execPath} leak.cjs`;
  const bystander = lab.hold();
  const run = lab.start(NAME, [...RUN, '--max', '120MB', '--', 'sh', '-c', words]);
  const daemon = await pidIn(lab, 'daemon');
  expect(readFileSync(`/proc/${daemon}/environ`, 'utf8')).not.toContain('CLAUDE_PM');
  const ended = await run.ended;
  expect([ended.status, ended.stderr]).toEqual([143, expect.stringMatching(/LIMIT: Memory exceeded 120MB/)]);
  expect([isRunning(daemon), lab.processes(), groupsOf(run.pid), isRunning(bystander.pid)]).toEqual([false, [], [], true]); // prettier-ignore
});
