/** Do a hundred callers at once get exactly what fits, whoever of them or of their agents is killed meanwhile? */
import { describe, expect, it } from 'vitest';
import {
  isRunning,
  keyValues,
  makeLab,
  ROOMY,
  streamsFile,
  waitFor,
  type Ended,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const FITS = 7;
const BUDGET = [
  '--memory', '100MB', '--budget', '700MB', '--set', 'memory_management.max_concurrent_agents=50', ...ROOMY,
]; // prettier-ignore

/** Leases whose owner lives, by the kernel's word. */
function live(lab: Lab): string[] {
  return lab
    .leases()
    .filter(({ owner }) => owner !== undefined && isRunning(owner.pid, owner.startTicks))
    .map(({ key }) => key);
}

function spawnFor(lab: Lab, name: string, pid: number): Promise<Ended> {
  return lab.run(NAME, ['shop', 'spawn', name, '--pid', String(pid), ...BUDGET]);
}

/** Every one who is not admitted hears which limit it was, what is missing, what would fit, and when to ask again. */
function expectToldWhy(ended: Ended): void {
  expect([ended.status, ended.stderr]).toEqual([75, '']);
  const told = keyValues(ended.stdout);
  expect(told).toMatchObject({
    decision: 'wait',
    limited_by: 'budget',
    short_by_mb: '100',
    would_fit_mb: '0',
    running_agents: String(FITS),
    max_concurrent: '50',
  });
  expect(Number(told['retry_after_seconds'])).toBeGreaterThan(0);
  expect(told['reason']).toMatch(/100\.0MB short: 100\.0MB needed/);
}

/** Looks at the ledger until `ended` is there; answers the most live leases that were ever seen. */
async function mostLive(lab: Lab, ended: Promise<unknown>): Promise<number> {
  let most = 0;
  let over = false;
  void ended.finally(() => (over = true));
  await waitFor(
    () => {
      most = Math.max(most, live(lab).length);
      return over;
    },
    'the end of all callers',
    60_000,
  );
  return most;
}

/** One caller after another, until one is refused; answers how many live then. */
async function fillUp(lab: Lab): Promise<number> {
  for (let more = 0; more <= FITS; more += 1) {
    const ended = await spawnFor(lab, `more-${more}`, lab.hold().pid);
    if (ended.status !== 0) {
      expectToldWhy(ended);
      break;
    }
  }
  return live(lab).length;
}

describe('a hundred callers at once with a budget for seven', () => {
  it('are admitted exactly seven times, and every other one is told why', async () => {
    const lab = makeLab();
    const storm = Promise.all(
      Array.from({ length: 100 }, (_, n) => spawnFor(lab, `12/S${n}`, lab.hold().pid)),
    );
    const most = await mostLive(lab, storm);
    const ended = await storm;

    const admitted = ended.flatMap(({ status }, n) => (status === 0 ? [`shop/12/S${n}`] : []));
    expect(admitted).toHaveLength(FITS);
    expect(lab.leases().map(({ key }) => key).sort()).toEqual(admitted.sort()); // prettier-ignore
    expect(live(lab)).toHaveLength(FITS);
    expect(most).toBeLessThanOrEqual(FITS);
    for (const one of ended) if (one.status !== 0) expectToldWhy(one);
  });

  it('never exceed it when callers are killed at random, and what is left can be had afterwards', async () => {
    const lab = makeLab();
    const storm = Array.from({ length: 30 }, (_, n) => {
      const words = ['shop', 'spawn', `12/S${n}`, '--pid', String(lab.hold().pid), ...BUDGET];
      const caller = lab.start(NAME, words);
      setTimeout(() => caller.child.kill('SIGKILL'), Math.random() * 2000);
      return caller.ended;
    });
    const most = await mostLive(lab, Promise.all(storm));
    const ended = await Promise.all(storm);

    expect(ended.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(FITS);
    expect(ended.filter(({ status }) => status === 0).length).toBeLessThanOrEqual(live(lab).length);
    expect(await fillUp(lab)).toBe(FITS);
  });

  it('never exceed it when the agents are killed at random, and a dead one’s share is free at once', async () => {
    const lab = makeLab();
    const deaths: NodeJS.Timeout[] = [];
    const storm = Array.from({ length: 30 }, (_, n) => {
      const holder = lab.hold();
      deaths.push(setTimeout(() => holder.kill('SIGKILL'), Math.random() * 3000));
      return spawnFor(lab, `12/S${n}`, holder.pid);
    });
    expect(await mostLive(lab, Promise.all(storm))).toBeLessThanOrEqual(FITS);
    // 2: the process that --pid named was gone before the call looked.
    for (const { status } of await Promise.all(storm)) expect([0, 2, 75]).toContain(status);
    for (const death of deaths) clearTimeout(death);

    expect(await fillUp(lab)).toBe(FITS);
    const victim = lab.leases().find(({ owner }) => owner && isRunning(owner.pid, owner.startTicks));
    process.kill(victim?.owner?.pid ?? 0, 'SIGKILL');
    await waitFor(() => live(lab).length === FITS - 1, 'the death of an agent');
    const next = await spawnFor(lab, 'next', lab.hold().pid);
    expect([next.status, keyValues(next.stdout)['void_lease']]).toEqual([
      0,
      expect.stringContaining(`${victim?.key ?? ''} void-owner-dead`),
    ]);
    expectToldWhy(await spawnFor(lab, 'one-more', lab.hold().pid));
    expect(live(lab)).toHaveLength(FITS);
  });
});

describe('a share', () => {
  it('is not given twice for one stream while its agent lives', async () => {
    const lab = makeLab();
    const holder = lab.hold();
    expect((await spawnFor(lab, '12/A', holder.pid)).status).toBe(0);
    const twin = await spawnFor(lab, '12/A', lab.hold().pid);
    expect([twin.status, keyValues(twin.stdout)]).toEqual([
      30,
      expect.objectContaining({
        decision: 'refuse',
        reason: expect.stringContaining(`pid ${holder.pid}`) as string,
      }),
    ]);
    expect(lab.leases()).toHaveLength(1);
    holder.kill('SIGKILL');
    await waitFor(() => live(lab).length === 0, 'the death of the agent');
    expect((await spawnFor(lab, '12/A', lab.hold().pid)).status).toBe(0);
  });

  it('is given back also where a dead run has left a lease of the same stream', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'sleep 1000', memory: '10MB' }]);
    const run = lab.start(NAME, ['shop', 'run', '--streams', 'streams.yaml', ...ROOMY]);
    await waitFor(() => lab.leases()[0]?.state === 'running', 'the agent');
    const agent = lab.leases()[0]?.owner?.pid ?? 0;
    run.child.kill('SIGKILL');
    await run.ended;
    process.kill(agent, 'SIGKILL');
    await waitFor(() => !isRunning(agent), 'its death');
    expect((await spawnFor(lab, '0/A', lab.hold().pid)).status).toBe(0);
    expect(lab.leases()).toHaveLength(2);
    expect(keyValues((await lab.run(NAME, ['shop', 'complete', 'A'])).stdout)['released']).toBe('true');
    expect(lab.leases()).toEqual([]);
  });

  it('of an agent without a process ends with its time to live', async () => {
    const lab = makeLab();
    const client = { CLAUDE_PID: String(lab.hold().pid) };
    const words = ['shop', 'spawn', '12/A', '--ttl', '50ms', ...BUDGET];
    expect((await lab.run(NAME, words, { env: client })).status).toBe(0);
    expect(lab.leases()[0]).toMatchObject({ role: 'subagent', owner: { pid: Number(client.CLAUDE_PID) } });
    const again = await lab.run(NAME, words, { env: client });
    expect([again.status, keyValues(again.stdout)['void_lease']]).toEqual([0, 'shop/12/A void-expired']);
  });

  it('is given back by each of twenty complete calls at once', async () => {
    const lab = makeLab();
    const holder = String(lab.hold().pid);
    const names = Array.from({ length: 20 }, (_, n) => `12/${n + 1}`);
    const roomy = ['--memory', '10MB', '--set', 'memory_management.max_concurrent_agents=50', ...ROOMY];
    await Promise.all(names.map((name) => lab.run(NAME, ['shop', 'spawn', name, '--pid', holder, ...roomy])));
    expect(lab.leases()).toHaveLength(20);

    const ended = await Promise.all(names.map((name) => lab.run(NAME, ['shop', 'complete', name])));
    for (const { status, stdout } of ended)
      expect([status, keyValues(stdout)['released']]).toEqual([0, 'true']);
    expect(lab.leases()).toEqual([]);
    const log = (await lab.run(NAME, ['shop', 'log'])).stdout.trimEnd().split('\n');
    expect(names.filter((name) => log.some((line) => line.includes(` shop/${name} done`)))).toEqual(names);
  });

  it('is given back for exactly the stream that was named, and a second time harmlessly', async () => {
    const lab = makeLab();
    const holder = String(lab.hold().pid);
    for (const name of ['12/1', '12/10', '1/1', '1']) {
      const words = ['shop', 'spawn', name, '--pid', holder, '--memory', '10MB', ...ROOMY];
      expect((await lab.run(NAME, words)).status).toBe(0);
    }
    const keys = (): string[] => lab.leases().map(({ key }) => key);
    for (const released of ['true', 'false']) {
      const ended = await lab.run(NAME, ['shop', 'complete', '12/1']);
      expect([ended.status, keyValues(ended.stdout)['released']]).toEqual([0, released]);
      expect(keys()).toEqual(['shop/12/10', 'shop/1/1', 'shop/0/1']);
    }
    // Another epic's and another project's leases of the same names are not ours to give back.
    await lab.run(NAME, ['barn', 'complete', '12/10']);
    await lab.run(NAME, ['shop', 'complete', '12/10', '--project', '..']);
    expect(keys()).toEqual(['shop/12/10', 'shop/1/1', 'shop/0/1']);
  });
});
