/** What has the client told a hook? Its JSON as one of the events that we act on; anything else is a fault in words. */

/** The client's own names for things: letters, digits and `._-`, so none of them can be a path, a line or a command. */
export interface HookPlace {
  readonly session: string;
  /** The sub-agent in which it happened; undefined: the session itself. */
  readonly agent: string | undefined;
}

/** A call of a tool that starts an agent. */
export interface AgentCall extends HookPlace {
  readonly call: string;
  /** The kind of agent; `workflow` and `message` where the tool names none. */
  readonly kind: string;
  /** The agent that a message would wake; undefined: this call starts a new one. */
  readonly wakes: string | undefined;
}

/** What a client lists as running beside the conversation. */
export interface BackgroundTask {
  readonly id: string;
  readonly isWorkflow: boolean;
  readonly isRunning: boolean;
}

export type HookEvent =
  | ({ readonly event: 'ask' } & AgentCall)
  | ({ readonly event: 'shell'; readonly command: string } & HookPlace)
  /** The call is over, or (`launched`) what it started goes on by itself. */
  | ({
      readonly event: 'answered';
      readonly launched: boolean;
      readonly became: string | undefined;
    } & AgentCall)
  | ({ readonly event: 'failed' } & AgentCall)
  | { readonly event: 'started'; readonly session: string; readonly agent: string; readonly kind: string }
  | { readonly event: 'ended'; readonly session: string; readonly agent: string }
  /** undefined: an older client, which lists nothing. */
  | {
      readonly event: 'turn-over';
      readonly session: string;
      readonly tasks: readonly BackgroundTask[] | undefined;
    }
  | { readonly event: 'session-start'; readonly session: string }
  | { readonly event: 'session-end'; readonly session: string; readonly reason: string }
  /** A tool that is none of our business. */
  | { readonly event: 'other' };

export const HOOK_EVENTS = {
  'pre-tool-use': 'PreToolUse',
  'post-tool-use': 'PostToolUse',
  'post-tool-use-failure': 'PostToolUseFailure',
  'subagent-start': 'SubagentStart',
  'subagent-stop': 'SubagentStop',
  stop: 'Stop',
  'session-start': 'SessionStart',
  'session-end': 'SessionEnd',
} as const;

export type HookWord = keyof typeof HOOK_EVENTS;

export const AGENT_TOOLS = ['Task', 'Agent', 'Workflow', 'SendMessage'] as const;

export type ReadHook = { readonly event: HookEvent } | { readonly fault: string };

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const KIND = /^[\p{L}\p{N}][\p{L}\p{N} ._:-]{0,63}$/u;
/** What the client calls the kind that a call without one starts. */
const USUAL_KIND = 'general-purpose';
/** The form of the client's ids of agents: names of people's choosing do not look so. */
const AGENT_ID = /^a[0-9a-f]{8,40}$/;

/** Reads what a hook of this name got on stdin, already parsed. Takes over nothing but ids, kinds and figures. */
export function readHookEvent(word: HookWord, value: unknown): ReadHook {
  if (!isRecord(value)) return { fault: 'no JSON object on stdin' };
  const name = value['hook_event_name'];
  if (name !== undefined && name !== HOOK_EVENTS[word])
    return { fault: `another event than ${HOOK_EVENTS[word]} on stdin` };
  const session = idOf(value['session_id']);
  if (session === undefined) return { fault: 'no session_id' };
  const agent = idOf(value['agent_id']);
  switch (word) {
    case 'pre-tool-use':
    case 'post-tool-use':
    case 'post-tool-use-failure':
      return readToolEvent(word, value, { session, agent });
    case 'subagent-start': {
      if (agent === undefined) return { fault: 'no agent_id' };
      return { event: { event: 'started', session, agent, kind: kindOf(value['agent_type']) } };
    }
    case 'subagent-stop':
      return agent === undefined ? { fault: 'no agent_id' } : { event: { event: 'ended', session, agent } };
    case 'stop':
      return { event: { event: 'turn-over', session, tasks: readTasks(value['background_tasks']) } };
    case 'session-start':
      return { event: { event: 'session-start', session } };
    case 'session-end':
      return { event: { event: 'session-end', session, reason: idOf(value['reason']) ?? 'other' } };
  }
}

function readToolEvent(
  word: 'pre-tool-use' | 'post-tool-use' | 'post-tool-use-failure',
  value: Record<string, unknown>,
  place: HookPlace,
): ReadHook {
  const tool = value['tool_name'];
  const input = isRecord(value['tool_input']) ? value['tool_input'] : {};
  if (tool === 'Bash' && word === 'pre-tool-use') {
    const command = input['command'];
    return {
      event: typeof command === 'string' ? { event: 'shell', command, ...place } : { event: 'other' },
    };
  }
  if (!AGENT_TOOLS.some((name) => name === tool)) return { event: { event: 'other' } };
  const wakes = tool === 'SendMessage' ? readRecipient(input) : undefined;
  // A message to a name may go to anybody; whom it wakes is seen when that one starts.
  if (tool === 'SendMessage' && wakes === undefined) return { event: { event: 'other' } };
  const call = idOf(value['tool_use_id']);
  if (call === undefined) return { fault: 'no tool_use_id' };
  const kinds: Readonly<Record<string, string>> = { Workflow: 'workflow', SendMessage: 'message' };
  const kind = kinds[String(tool)] ?? kindOf(input['subagent_type']);
  const about: AgentCall = { ...place, call, kind, wakes };
  if (word === 'pre-tool-use') return { event: { event: 'ask', ...about } };
  if (word === 'post-tool-use-failure') return { event: { event: 'failed', ...about } };
  return { event: readAnswer(about, isRecord(value['tool_response']) ? value['tool_response'] : {}) };
}

/** A message answers at once: it woke somebody who goes on by himself, or nobody, and then nothing was started. */
function readAnswer(about: AgentCall, response: Record<string, unknown>): HookEvent {
  const became = idOf(response['agentId']) ?? idOf(response['resumedAgentId']);
  const isLaunched = response['isAsync'] === true || response['status'] === 'async_launched';
  const launched = isLaunched || (about.kind === 'message' && became !== undefined);
  return { event: 'answered', ...about, launched, became };
}

function readRecipient(input: Record<string, unknown>): string | undefined {
  const to = idOf(input['recipient']) ?? idOf(input['to']);
  return to !== undefined && AGENT_ID.test(to) ? to : undefined;
}

function readTasks(value: unknown): BackgroundTask[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter(isRecord).flatMap((task) => {
    const id = idOf(task['id']);
    if (id === undefined) return [];
    const status = task['status'];
    return [
      {
        id,
        isWorkflow: task['type'] === 'workflow',
        isRunning: status === undefined || status === 'running',
      },
    ];
  });
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && ID.test(value) ? value : undefined;
}

function kindOf(value: unknown): string {
  return typeof value === 'string' && KIND.test(value) ? value : USUAL_KIND;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
