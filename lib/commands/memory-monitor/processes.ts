/** memory-monitor processes: agents as process trees. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { agentLines, agentsTable } from '../../output/agents.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { treeLines } from '../../output/tree.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { MIB } from '../../units.ts';
import { isThere, readAgents } from '../agents.ts';
import { openContext } from '../context.ts';

/** What the ledger says and the kernel confirms; never found by a pattern in a command line. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const agents = readAgents(
    loadLedger(context.stateDir()).leases,
    context.liveness().isAlive,
    context.nowMs,
    readProcessTable(),
  ).filter(isThere);

  return {
    exitCode: EXIT.ok,
    json: { agents },
    lines: [
      ['agents', agents.length],
      ...agents.flatMap((agent) => [
        ...agentLines(agent, undefined),
        ...agent.members.map(({ pid, parentPid, comm, residentBytes, state }): [string, LineValue] => [
          'process',
          `${pid} parent=${parentPid} rss_mb=${Math.round(residentBytes / MIB)} state=${state} name=${comm}`,
        ]),
      ]),
    ],
    table: async () =>
      [
        await agentsTable(
          agents.map((agent) => ({ agent })),
          context.nowMs,
          'no agent runs',
        ),
        ...agents.flatMap(({ lease, members }) => ['', lease.key, ...treeLines(members)]),
      ].join('\n'),
    talk: context.warnings,
  };
}
