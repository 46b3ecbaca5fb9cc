/** Does an installed hook answer as the client would have it? Started as the client starts it, with a sample of each event, on a state folder of its own. */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDir, newFolder, readText, removeTree, replaceFile } from '../files.ts';
import { HOOK_EVENTS, type HookWord } from '../policy/hook-event.ts';

/** What was found wrong with one event; `problem` undefined: nothing. */
export interface Trial {
  readonly event: string;
  readonly problem: string | undefined;
  readonly tookMs: number;
}

/** A hook as it stands in the client's settings. */
export interface TriedHook {
  readonly event: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

const SETTINGS = '.claude-pm.yaml';
const SESSION = '00000000-0000-4000-8000-000000000000';
const AGENT = 'a0000000000000000';
const CALL = 'toolu_trial';
const INPUT = { description: 'a trial', prompt: 'Say hello.', subagent_type: 'general-purpose' };

/** The life of one sub-agent, in the form of the client's own events. */
const LIFE: readonly (readonly [word: HookWord, fields: object])[] = [
  ['session-start', { source: 'startup' }],
  ['pre-tool-use', { tool_name: 'Agent', tool_input: INPUT, tool_use_id: CALL }],
  ['subagent-start', { agent_id: AGENT, agent_type: 'general-purpose' }],
  [
    'subagent-stop',
    { agent_id: AGENT, agent_type: 'general-purpose', stop_hook_active: false, background_tasks: [] },
  ],
  [
    'post-tool-use',
    {
      tool_name: 'Agent',
      tool_input: INPUT,
      tool_use_id: CALL,
      tool_response: { status: 'completed', agentId: AGENT },
    },
  ],
  [
    'post-tool-use-failure',
    { tool_name: 'Agent', tool_input: INPUT, tool_use_id: CALL, error: 'a trial', is_interrupt: false },
  ],
  ['stop', { stop_hook_active: false, background_tasks: [] }],
  ['session-end', { reason: 'other' }],
];

/** Tries every event; an event without a hook is a problem of its own. Leaves nothing behind and touches no real share. */
export function tryHooks(hooks: readonly TriedHook[], projectDir: string, env: NodeJS.ProcessEnv): Trial[] {
  const folder = newFolder(join(tmpdir(), 'claude-pm-trial-'));
  // A project of its own with the same settings: what a trial records is nobody's history.
  const settings = readText(join(projectDir, SETTINGS));
  if (settings !== undefined) replaceFile(join(folder, 'project', SETTINGS), settings);
  const stateDir = join(folder, 'state');
  ensureDir(join(folder, 'project'));
  const world = {
    ...env,
    CLAUDE_PM_STATE_DIR: stateDir,
    CLAUDE_PROJECT_DIR: join(folder, 'project'),
    CLAUDE_PID: String(process.pid),
    CLAUDE_CODE_SESSION_ID: SESSION,
  };
  try {
    const trials = LIFE.map(([word, fields]) => tryOne(hooks, word, fields, { projectDir, world }));
    const left = readText(join(stateDir, 'ledger.json'));
    const kept =
      left === undefined || left.includes('"leases":[]')
        ? undefined
        : 'a share is left after the session ended';
    return kept === undefined ? trials : [...trials, { event: 'ledger', problem: kept, tookMs: 0 }];
  } finally {
    removeTree(folder);
  }
}

function tryOne(
  hooks: readonly TriedHook[],
  word: HookWord,
  fields: object,
  { projectDir, world }: { projectDir: string; world: NodeJS.ProcessEnv },
): Trial {
  const event = HOOK_EVENTS[word];
  const hook = hooks.find((one) => one.event === event);
  if (hook === undefined) return { event, problem: 'no hook of ours is in the settings', tookMs: 0 };
  const input = JSON.stringify({
    session_id: SESSION,
    transcript_path: '/dev/null',
    cwd: projectDir,
    hook_event_name: event,
    ...fields,
  });
  const expand = (text: string): string => text.replaceAll('${CLAUDE_PROJECT_DIR}', projectDir);
  const startMs = performance.now();
  const run = spawnSync(expand(hook.command), hook.args.map(expand), {
    cwd: projectDir,
    env: world,
    input,
    encoding: 'utf8',
    timeout: hook.timeoutMs,
    killSignal: 'SIGKILL',
  });
  return { event, problem: problemOf(event, hook, run), tookMs: Math.round(performance.now() - startMs) };
}

function problemOf(event: string, hook: TriedHook, run: ReturnType<typeof spawnSync>): string | undefined {
  if (run.error !== undefined) {
    const code = 'code' in run.error ? String(run.error.code) : run.error.message;
    if (code === 'ETIMEDOUT') return `it did not answer within ${hook.timeoutMs / 1000} s`;
    return `${hook.command} cannot be started (${code})`;
  }
  const lines = String(run.stderr)
    .split('\n')
    .map((line) => line.trim());
  // Node shows the place before the error.
  const said = lines.find((line) => /^[A-Za-z]*Error\b/.test(line)) ?? lines.find((line) => line !== '');
  if (run.status !== 0) return `it ended with exit ${run.status ?? run.signal}: ${said ?? 'without a word'}`;
  if (said !== undefined) return `it wrote to stderr: ${said}`;
  return answerProblem(event, String(run.stdout).trim());
}

/** Either nothing, or one JSON document of the event that was asked. A refusal is an answer; a broken gate says so. */
function answerProblem(event: string, text: string): string | undefined {
  if (text === '') return undefined;
  const answer = parse(text);
  if (answer === undefined) return 'what it printed is no JSON';
  const said = answer['systemMessage'];
  if (typeof said === 'string') return said;
  const output = answer['hookSpecificOutput'];
  const isNamed = typeof output === 'object' && output !== null && 'hookEventName' in output;
  const name = isNamed ? output.hookEventName : undefined;
  return name === event ? undefined : `it answered another event: ${String(name)}`;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
