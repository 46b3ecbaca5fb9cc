/** How does a test call the bundled hook as a client does? One event on stdin, in a world of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { HOOK_EVENTS, type HookWord } from '../../lib/policy/hook-event.ts';
import type { Ended, Lab } from './scripts.ts';

export const SESSION = '5e551017-0000-4000-8000-000000000001';

/** Settings under which three agents of 256 MB fit, on any machine. */
export const THREE_FIT = `memory_management:
  memory_per_agent_gb: 0.25
  total_memory_limit_gb: 0.95
  coordinator_memory_gb: 0
admission:
  floor_mb: 1
  safety_mb: 0
  limited_mb: 0
  sequential_mb: 0
`;

/** One line of a recorded session. */
export interface Recorded {
  readonly word: HookWord;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The events of a session of the real client (2.1.329), in the order in which they came; paths and ids are changed. */
export function recordedSession(): Recorded[] {
  const text = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'hooks', 'session.ndjson'), 'utf8');
  return text.trim().split('\n').map((line) => JSON.parse(line) as Recorded); // prettier-ignore
}

/** Calls the hook of one event. `client`: the process in which sub-agents live, this one where nothing is said. */
export function callHook(
  lab: Lab,
  word: HookWord,
  input: object | string,
  options: {
    readonly client?: number;
    readonly env?: NodeJS.ProcessEnv;
    readonly words?: readonly string[];
  } = {},
): Promise<Ended> {
  const event = { session_id: SESSION, hook_event_name: HOOK_EVENTS[word] };
  const env = {
    CLAUDE_PROJECT_DIR: lab.project,
    CLAUDE_PID: String(options.client ?? process.pid),
    ...options.env,
  };
  const text = typeof input === 'string' ? input : JSON.stringify({ ...event, ...input });
  return lab.startFile([process.execPath, join(inject('bundleDir'), 'claude-hook.cjs'), word, ...(options.words ?? [])], { env, input: text }).ended; // prettier-ignore
}

/** A call that asks for an agent. */
export function asks(call: string, more: object = {}): object {
  return { tool_name: 'Agent', tool_use_id: call, tool_input: { prompt: 'Go.', subagent_type: 'general-purpose' }, ...more }; // prettier-ignore
}

/** What the client reads: nothing, or one JSON document on one line. Everything else is a failure of ours. */
export function heard(ended: Ended): {
  decision?: string;
  reason?: string;
  context?: string;
  notice?: string;
} {
  if (ended.status !== 0 || ended.stderr !== '') throw new Error(`exit ${ended.status}: ${ended.stderr}`);
  if (ended.stdout === '') return {};
  if (!/^[^\n]+\n$/.test(ended.stdout)) throw new Error(`not one line: ${ended.stdout}`);
  const answer = JSON.parse(ended.stdout) as {
    hookSpecificOutput?: Record<string, string>;
    systemMessage?: string;
  };
  const output = answer.hookSpecificOutput;
  return {
    ...(output?.['permissionDecision'] !== undefined && { decision: output['permissionDecision'] }),
    ...(output?.['permissionDecisionReason'] !== undefined && { reason: output['permissionDecisionReason'] }),
    ...(output?.['additionalContext'] !== undefined && { context: output['additionalContext'] }),
    ...(answer.systemMessage !== undefined && { notice: answer.systemMessage }),
  };
}
