/** What did an emergency stop, what did that free, and what goes on? */
import type { ExitCode } from '../failure.ts';
import type { Lease, LeaseLife, ProcessFacts } from '../model.ts';
import type { EmergencyRun } from '../policy/emergency.ts';
import { formatBytes, MIB } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';

interface HeldAgent {
  readonly lease: Lease;
  readonly life: LeaseLife;
  readonly members: readonly ProcessFacts[];
  readonly rssBytes: number;
  /** undefined where the kernel does not say. */
  readonly pssBytes: number | undefined;
}

/** An agent as it was found, and how many of its processes ended or are left. */
export interface StoppedAgent extends HeldAgent {
  readonly ended: number;
  readonly left: number;
}

export interface EmergencyView {
  readonly by: string;
  readonly reason: string | undefined;
  readonly agents: readonly StoppedAgent[];
  /** Processes that outlived KILL; undefined: nothing was ended, this only shows what would be. */
  readonly left: number | undefined;
  /** Sub-agents inside clients, coordinators, agents in other containers: left alone. */
  readonly others: readonly HeldAgent[];
  readonly runs: readonly EmergencyRun[];
  readonly beforeBytes: number;
  readonly afterBytes: number | undefined;
  readonly evidence: string | undefined;
  /** false: it could not be opened, so that agents may start behind our back. */
  readonly isBreakerOpen: boolean;
}

const mb = (bytes: number): number => Math.round(bytes / MIB);
const heldBytes = ({ pssBytes, rssBytes }: HeldAgent): number => pssBytes ?? rssBytes;

export function emergencyAnswer(view: EmergencyView, exitCode: ExitCode, talk: readonly string[]): Answer {
  const { agents, left, others, runs, beforeBytes, afterBytes } = view;
  const held = agents.reduce((sum, agent) => sum + heldBytes(agent), 0);
  return {
    exitCode,
    json: { ...view, decision: decisionOf(view), heldBytes: held },
    lines: [
      ['decision', decisionOf(view)],
      ['reason', view.reason],
      ['by', view.by],
      ['breaker', left === undefined ? undefined : view.isBreakerOpen ? 'open' : 'could-not-be-opened'],
      ['agents', agents.length],
      ['ended_processes', left === undefined ? undefined : agents.reduce((sum, { ended }) => sum + ended, 0)],
      ['left_processes', left],
      ['held_mb', mb(held)],
      ['available_before_mb', mb(beforeBytes)],
      ['available_after_mb', afterBytes === undefined ? undefined : mb(afterBytes)],
      ['evidence', view.evidence],
      ...agents.map((agent): [string, LineValue] => [
        left === undefined ? 'would_stop' : 'stopped',
        agentText(agent),
      ]),
      ...others.map((agent): [string, LineValue] => ['not_ended', otherText(agent)]),
      ...runs.map((run): [string, LineValue] => ['run', runText(run, view.isBreakerOpen)]),
    ],
    table: () => sentences(view, held).join('\n'),
    talk,
  };
}

function decisionOf({ agents, left }: EmergencyView): string {
  if (left === undefined) return 'dry-run';
  if (left > 0) return 'some-left';
  return agents.length === 0 ? 'nothing-ran' : 'ended';
}

function agentText(agent: StoppedAgent): string {
  const { lease, members, left } = agent;
  const facts = [
    `pid=${lease.owner?.pid ?? '-'}`,
    `processes=${members.length}`,
    `left=${left}`,
    `held_mb=${mb(heldBytes(agent))}`,
    `project=${lease.project}`,
  ];
  return `${lease.key} ${facts.join(' ')}`;
}

function otherText({ lease, life }: HeldAgent): string {
  const what =
    life === 'unchecked'
      ? 'it runs in another container: call for the emergency there'
      : lease.role === 'coordinator'
        ? 'a coordinator is a session of its user'
        : 'it lives inside its client';
  return `${lease.key} pid=${lease.owner?.pid ?? '-'} ${what}`;
}

function runText({ pid, project, epic }: EmergencyRun, isBreakerOpen: boolean): string {
  const next = isBreakerOpen
    ? 'starts nothing while the breaker is open'
    : 'may start the next ones: end it, too';
  return `pid=${pid} epic=${epic ?? '-'} project=${project} ${next}`;
}

function sentences(view: EmergencyView, held: number): string[] {
  const { agents, left, others, runs, beforeBytes, afterBytes, evidence, isBreakerOpen } = view;
  const head =
    left === undefined
      ? `${agents.length} agents would be ended; they hold ${formatBytes(held)}.`
      : `The breaker ${isBreakerOpen ? 'is open' : 'could not be opened'}. ${agents.length} agents were ended, which held ${formatBytes(held)}; ${left} processes are left.`;
  return [
    head,
    ...agents.map((agent) => `  ${agentText(agent)}`),
    ...(afterBytes === undefined
      ? []
      : [`Available: ${formatBytes(beforeBytes)} before, ${formatBytes(afterBytes)} now.`]),
    ...(evidence === undefined ? [] : [`Evidence: ${evidence}`]),
    ...(others.length === 0 ? [] : ['Left alone:', ...others.map((agent) => `  ${otherText(agent)}`)]),
    ...(runs.length === 0 ? [] : ['Runs:', ...runs.map((run) => `  ${runText(run, isBreakerOpen)}`)]),
    ...(left === undefined || !isBreakerOpen ? [] : ['When the cause is gone: `circuit-breaker close`.']),
  ];
}
