/** Who runs, and what does it hold? Agents with their leases, as lines and as a table. */
import type { Lease, LeaseLife, ProcessFacts } from '../model.ts';
import type { Level } from '../policy/limit.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { LineValue } from './answer.ts';
import { renderTable } from './table.ts';

/** An agent as it is shown. */
export interface AgentView {
  readonly lease: Lease;
  readonly life: LeaseLife;
  readonly members: readonly ProcessFacts[];
  readonly rssBytes: number;
  readonly pssBytes: number | undefined;
}

/** One line an agent: `agent:KEY pid=… processes=… memory_mb=…`. */
export function agentLines(agent: AgentView, level: Level | undefined): [string, LineValue][] {
  const { lease, life, members, rssBytes, pssBytes } = agent;
  const facts = [
    `pid=${lease.owner?.pid ?? '-'}`,
    `role=${lease.role}`,
    `state=${life === 'live' ? lease.state : life}`,
    `processes=${members.length}`,
    `memory_mb=${Math.round((pssBytes ?? rssBytes) / MIB)}`,
    `estimate_mb=${Math.round(lease.estimateBytes / MIB)}`,
    `limit_mb=${lease.limitBytes === undefined ? '-' : Math.round(lease.limitBytes / MIB)}`,
    ...(level === undefined ? [] : [`level=${level}`]),
  ];
  return [['agent', `${lease.key} ${facts.join(' ')}`]];
}

/** A row an agent. */
export async function agentsTable(
  rows: readonly { agent: AgentView; level?: Level }[],
  nowMs: number,
  none: string,
): Promise<string> {
  if (rows.length === 0) return `${none[0]?.toUpperCase() ?? ''}${none.slice(1)}.`;
  return renderTable(
    ['agent', 'role', 'state', 'pid', 'processes', 'memory', 'estimate', 'limit', 'level', 'since'],
    rows.map(({ agent: { lease, life, members, rssBytes, pssBytes }, level }) => [
      lease.key,
      lease.role,
      life === 'live' ? lease.state : life,
      String(lease.owner?.pid ?? '-'),
      String(members.length),
      `${formatBytes(pssBytes ?? rssBytes)} ${pssBytes === undefined ? 'rss' : 'pss'}`,
      formatBytes(lease.estimateBytes),
      lease.limitBytes === undefined ? '-' : formatBytes(lease.limitBytes),
      level ?? '-',
      formatDuration(nowMs - lease.sinceMs),
    ]),
  );
}
