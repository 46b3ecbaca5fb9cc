/** Which hooks must stand in a client's settings so that its sub-agents go through the gate? */
import type { GateSettings } from '../settings-model.ts';
import { AGENT_TOOLS, HOOK_EVENTS, type HookWord } from './hook-event.ts';

/** One hook in exec form: no shell stands between the client and it. */
export interface ClientHook {
  readonly type: 'command';
  readonly command: string;
  readonly args: readonly string[];
  /** Seconds. */
  readonly timeout: number;
  readonly onFailure?: 'block';
}

/** An entry of one event in the client's settings. */
export interface HookEntry {
  readonly event: (typeof HOOK_EVENTS)[HookWord];
  readonly word: HookWord;
  readonly matcher: string | undefined;
  readonly hook: ClientHook;
}

/** The name by which an entry is known as ours, whatever folder it lies in. */
export const HOOK_FILE = 'claude-pm-hook.cjs';

/** The client ends a hook that takes longer; a gate that waits for another process's lock needs a moment, too. */
const USUAL_SECONDS = 30;
/** A session that ends waits for its hooks. */
const LAST_SECONDS = 10;

/** The entries, in the order of a session's life. `file`: what `node` shall start, as the client expands it. */
export function hookEntries(gate: GateSettings, file: string): HookEntry[] {
  const agents = AGENT_TOOLS.join('|');
  const waitSeconds = Math.ceil(gate.waitMs / 1000) + USUAL_SECONDS;
  const seconds: Partial<Record<HookWord, number>> = {
    'pre-tool-use': gate.whenFull === 'wait' ? waitSeconds : USUAL_SECONDS,
    'subagent-start': waitSeconds,
    'session-end': LAST_SECONDS,
  };
  const blocks = gate.onFailure === 'block';
  const entry = (word: HookWord, matcher?: string): HookEntry => ({
    event: HOOK_EVENTS[word],
    word,
    matcher,
    hook: {
      type: 'command',
      command: 'node',
      args: [file, word, ...(blocks ? ['--block'] : [])],
      timeout: seconds[word] ?? USUAL_SECONDS,
      // A hook that crashes or takes too long lets the call through unless its entry says so.
      ...(blocks && word === 'pre-tool-use' && { onFailure: 'block' }),
    },
  });
  return [
    entry('session-start'),
    entry('pre-tool-use', agents),
    ...(gate.bash === 'off' ? [] : [entry('pre-tool-use', 'Bash')]),
    entry('post-tool-use', agents),
    entry('post-tool-use-failure', agents),
    entry('subagent-start'),
    entry('subagent-stop'),
    entry('stop'),
    entry('session-end'),
  ];
}

/** The longest that a call may be held, so that one file of hooks serves all settings. */
const MOST_WAIT_MS = 570_000;

/** hooks/hooks.json of the plugin: made before anybody's settings are known, so with the longest times. */
export function pluginHooks(gate: GateSettings): object {
  const file = '${CLAUDE_PLUGIN_ROOT}/hooks/claude-hook.cjs';
  const hooks: Record<string, object[]> = {};
  for (const entry of hookEntries(
    { ...gate, whenFull: 'wait', waitMs: MOST_WAIT_MS, onFailure: 'allow', bash: 'off' },
    file,
  ))
    hooks[entry.event] = [...(hooks[entry.event] ?? []), hookGroup(entry)];
  return { description: 'Starts sub-agents only if memory allows it', hooks };
}

/** Whether an entry that stands in somebody's settings is one of ours, of this version or an earlier one. */
export function isOurHook(hook: unknown): boolean {
  if (typeof hook !== 'object' || hook === null || !('args' in hook) || !Array.isArray(hook.args))
    return false;
  const file: unknown = hook.args[0];
  return typeof file === 'string' && (file.endsWith(`/${HOOK_FILE}`) || file.endsWith('/claude-hook.mjs'));
}

/** The settings' group for an entry, as it stands in the file. */
export function hookGroup({ matcher, hook }: HookEntry): object {
  return { ...(matcher !== undefined && { matcher }), hooks: [hook] };
}
