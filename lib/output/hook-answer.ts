/** What does the client hear from a hook? Its own JSON, with reasons that the model can act on. */
import type { AdmissionDecision } from '../policy/admission.ts';
import { formatBytes, formatDuration } from '../units.ts';

/** What a hook prints; undefined: nothing, the client goes on. */
export type HookText = string | undefined;

export type Refusal = Exclude<AdmissionDecision, { decision: 'admit' }>;

/** Longer reasons help nobody; the client puts them into the conversation. */
const LONGEST_REASON = 600;

/** `deny` or `defer` a call. */
export function refusalText(answer: 'deny' | 'defer', reason: string): string {
  return hookText('PreToolUse', { permissionDecision: answer, permissionDecisionReason: cut(reason) });
}

/** Words that the model reads beside what the call itself answers. */
export function adviceText(event: 'PreToolUse' | 'SessionStart', words: string): string {
  return hookText(event, { additionalContext: cut(words) });
}

/** Words for the person at the client. */
export function noticeText(words: string): string {
  return JSON.stringify({ systemMessage: cut(words) });
}

function hookText(event: string, fields: Readonly<Record<string, string>>): string {
  return JSON.stringify({ hookSpecificOutput: { hookEventName: event, ...fields } });
}

function cut(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  return line.length <= LONGEST_REASON ? line : `${line.slice(0, LONGEST_REASON - 1)}…`;
}

/** Why not, and what to do instead. */
export function refusalReason(refused: Refusal): string {
  const { reason } = refused;
  if (refused.decision === 'refuse')
    return `Memory gate: ${reason}. It can never start here: do this part yourself, in smaller steps.`;
  const again = formatDuration(refused.retryAfterMs);
  if (refused.binding === 'breaker')
    return `Memory gate: ${reason}. Nothing may start now: do this part yourself, and ask again in ${again} at the earliest.`;
  if (refused.liveAgents === 0)
    return `Memory gate: ${reason}. Do this part yourself, or ask again in ${again} at the earliest.`;
  return `Memory gate: ${reason}. Run the rest after one of them has ended (ask again in ${again} at the earliest), or do this part yourself.`;
}

/** What a session may count on, in one line. */
export function capacityText(room: {
  readonly startable: number;
  readonly liveAgents: number;
  readonly maxConcurrent: number;
  readonly estimateBytes: number;
  readonly headroomBytes: number;
  readonly held: string | undefined;
}): string {
  const { startable, liveAgents, maxConcurrent, estimateBytes, headroomBytes, held } = room;
  const running = `${liveAgents} of ${maxConcurrent} agents run on this machine`;
  if (held !== undefined) return `Memory gate: no sub-agent may start now: ${held}; ${running}.`;
  const free = Number.isFinite(headroomBytes) ? `${formatBytes(headroomBytes)} free for agents, ` : '';
  const batch = `start at most ${startable} sub-agent${startable === 1 ? '' : 's'} now, the rest as these end`;
  return `Memory gate: ${batch} (${free}${formatBytes(estimateBytes)} kept for each, ${running}). A refused call says why and when to ask again.`;
}

/** Why a heavy command should wait. */
export function heavyText(pattern: string, reason: string): string {
  return `Memory is critical (${reason}), and \`${pattern}\` is a heavy command: run a part of it (one test file, one package, fewer jobs), or wait until an agent has ended.`;
}
