/** agent-pool submit TASK: hand a task to an agent of the pool and wait for the answer. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import { EXIT, Failure } from '../../failure.ts';
import { flagDuration, flagText, wholeNumber, type Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { rawText, refusalLines } from '../../output/pool.ts';
import { MIB } from '../../units.ts';
import { takeSignals } from '../coordination-memory/signals.ts';
import { handOver, type Handed } from './hand-over.ts';
import { openPool, type Pool } from './pool.ts';
import { readKind, readPlan } from './wish.ts';

/**
 * Exit 0 with the answer; 30 for an answer that says it failed, a time-out, or an agent over its limit; 75 where the agent
 * died (the task may be submitted again) or where there is none now; 128 + n after a signal.
 */
export async function run(call: Call): Promise<Answer | number> {
  const pool = await openPool(call);
  const named = flagText(call, 'id');
  const id = named === undefined ? `task-${randomUUID()}` : checkName('task', named);
  const isDetached = call.flags['detach'] === true;
  const agentId = flagText(call, 'agent');
  const kind = agentId === undefined ? readKind(call, pool) : kindOf(pool, agentId);
  const text = await readTask(call);
  let signal: NodeJS.Signals | undefined;
  const release = takeSignals((name) => (signal ??= name as NodeJS.Signals));
  const order = {
    ask: {
      kind,
      project: pool.context.projectDir,
      id,
      isKept: named !== undefined || isDetached,
      agentId,
      plan: agentId === undefined ? readPlan(call, pool, kind) : undefined,
    },
    text,
    timeoutMs: flagDuration(call, 'timeout'),
    waitMs: flagDuration(call, 'wait') ?? Infinity,
    retries: wholeNumber('--retry', flagText(call, 'retry') ?? '0', 0, 100),
    isDetached,
    isStopped: () => signal !== undefined,
  };

  const handed = await handOver(pool, order).finally(release);

  if (signal !== undefined && !('answer' in handed)) {
    call.err(`given up after ${signal}`);
    return 128 + constants.signals[signal];
  }
  if (call.flags['raw'] === true && handed.outcome !== 'sent') {
    // stdout is for the answer alone: what reads it must not take our words for one.
    if ('answer' in handed) call.out(rawText(handed.answer.text));
    else call.err(handed.reason);
    return exitOf(handed);
  }
  return answerOf(pool, id, handed);
}

function kindOf(pool: Pool, agentId: string): string {
  const agent = pool.load().agents.find(({ id }) => id === agentId);
  if (agent === undefined) throw new Failure(`no agent ${JSON.stringify(agentId)} is in the pool`);
  return agent.kind;
}

/** The words of the call, else stdin. */
async function readTask(call: Call): Promise<string> {
  // A program that calls us hands over its words, whatever they are.
  const isStdin = call.args.length === 0 || (call.args.length === 1 && call.args[0] === '-');
  if (!isStdin || call.command !== 'submit') return call.args.join(' ');
  if (process.stdin.isTTY) throw new Failure('submit needs a task: as words, or on stdin');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8').trimEnd();
  if (text === '') throw new Failure('submit needs a task: stdin was empty');
  return text;
}

const EXITS = {
  answered: EXIT.ok,
  sent: EXIT.ok,
  failed: EXIT.critical,
  timeout: EXIT.critical,
  'over-limit': EXIT.critical,
  stopped: EXIT.critical,
  died: EXIT.later,
  'no-agent': EXIT.later,
} as const satisfies Record<Handed['outcome'], number>;

function exitOf(handed: Handed): (typeof EXITS)[Handed['outcome']] {
  const isNever = handed.outcome === 'no-agent' && handed.decision?.decision === 'refuse';
  return isNever ? EXIT.critical : EXITS[handed.outcome];
}

function answerOf(pool: Pool, id: string, handed: Handed): Answer {
  const { outcome } = handed;
  const lines: [string, LineValue][] = [
    ['task', id],
    ['outcome', outcome],
    ['agent', 'agent' in handed ? handed.agent : undefined],
  ];
  let sentence = `${id}: ${outcome}`;
  if ('answer' in handed) {
    const { answer, attempts, isEarlier, ms, peakBytes } = handed;
    lines.push(
      ['attempts', attempts],
      ['earlier', isEarlier || undefined],
      ['seconds', Math.round(ms / 10) / 100],
      ['peak_mb', peakBytes === undefined ? undefined : Math.round(peakBytes / MIB)],
      ['answer', answer.text],
    );
    sentence = answer.text;
  } else if (outcome === 'sent') {
    lines.push(['result', `agent-pool result ${id}`]);
    sentence = `${id} is at ${handed.agent}; \`agent-pool result ${id}\` answers.`;
  } else if ('reason' in handed) {
    lines.push(
      ['reason', handed.reason],
      ...refusalLines('decision' in handed ? handed.decision : undefined),
    );
    sentence = `${id}: ${handed.reason}.`;
    if (outcome === 'died') sentence += ' It may be submitted again.';
  }
  return {
    exitCode: exitOf(handed),
    json: { task: id, ...handed },
    lines,
    table: () => sentence,
    talk: pool.context.warnings,
  };
}
