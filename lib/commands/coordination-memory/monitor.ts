/** coordination-memory EPIC monitor: the epic's agents now, memory against estimate and limit. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import { agentLines, agentsTable } from '../../output/agents.ts';
import type { Answer } from '../../output/answer.ts';
import { judgeLevel, limitRules } from '../../policy/limit.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { readAgents } from '../agents.ts';
import { openContext } from '../context.ts';

/** Exit 20 where an agent is at warning level, 30 where one is critical or over its limit. */
export async function run(call: Call): Promise<Answer> {
  const epic = checkName('epic', call.subject);
  const context = await openContext(call);
  const leases = loadLedger(context.stateDir()).leases.filter(
    (lease) => lease.epic === epic && lease.project === context.projectDir,
  );
  const agents = readAgents(leases, context.liveness().isAlive, context.nowMs, readProcessTable());

  const rows = agents.map((agent) => ({
    agent,
    level:
      agent.lease.role === 'subagent'
        ? ('normal' as const)
        : judgeLevel(agent.pssBytes ?? agent.rssBytes, limitRules(agent.lease.limitBytes), 'normal'),
  }));
  const levels = new Set(rows.map(({ level }) => level));

  return {
    exitCode:
      levels.has('critical') || levels.has('over')
        ? EXIT.critical
        : levels.has('warning')
          ? EXIT.warning
          : EXIT.ok,
    json: { epic, agents: rows },
    lines: [
      ['epic', epic],
      ['agents', rows.length],
      ...rows.flatMap(({ agent, level }) => agentLines(agent, level)),
    ],
    table: () => agentsTable(rows, context.nowMs, `no agent of ${epic} runs`),
    talk: context.warnings,
  };
}
