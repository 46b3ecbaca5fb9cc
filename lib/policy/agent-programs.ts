/** How is each of the well-known coding agents started without a person, and how does it go on with a session that was killed? */

/** One program, by the name of its kind in the settings. */
export interface AgentProgram {
  readonly name: string;
  /** Words of its command; `{session}` is a UUID that we choose. */
  readonly command: readonly string[];
  /** undefined: it chooses its session's name itself, so only its own record could tell which one to go on with. */
  readonly resume: readonly string[] | undefined;
  /** The file that is there when there is something to go on with. */
  readonly transcript: string | undefined;
  /** Its own process takes V8 flags. */
  readonly takesHeap: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

/**
 * Sources: `claude --help` and runs of 2.1.329; codex-rs/exec (events of `exec --json`); gemini-cli docs/cli/headless.md;
 * opencode.ai/docs/cli. Only the first was run here; the other three are written by their documents.
 */
export const AGENT_PROGRAMS: readonly AgentProgram[] = [
  {
    name: 'claude',
    command: [
      'claude',
      '-p',
      '{prompt}',
      '--session-id',
      '{session}',
      '--output-format',
      'json',
      '--strict-mcp-config',
    ],
    resume: [
      'claude',
      '-p',
      'go on',
      '--resume',
      '{session}',
      '--output-format',
      'json',
      '--strict-mcp-config',
    ],
    transcript: '~/.claude/projects/{cwd-slug}/{session}.jsonl',
    takesHeap: false,
    env: { DISABLE_AUTOUPDATER: '1' },
    notes: [
      'a native program: it ignores heap flags, its limit holds it; NODE_OPTIONS reaches the tools that it starts',
      'add --allowedTools or --permission-mode as its work needs; without them it can write nothing',
    ],
  },
  {
    name: 'codex',
    command: ['codex', 'exec', '--json', '--sandbox', 'workspace-write', '{prompt}'],
    resume: undefined,
    transcript: undefined,
    takesHeap: false,
    env: {},
    notes: ['a native program; it names its session itself: go on by hand with `codex exec resume ID`'],
  },
  {
    name: 'gemini',
    command: ['gemini', '-p', '{prompt}', '--output-format', 'json', '--approval-mode', 'auto_edit'],
    resume: undefined,
    transcript: undefined,
    takesHeap: true,
    env: { GEMINI_CLI_NO_RELAUNCH: 'true' },
    notes: [
      'Node: without GEMINI_CLI_NO_RELAUNCH it starts itself again with half of the machine as its heap',
    ],
  },
  {
    name: 'opencode',
    command: ['opencode', 'run', '--format', 'json', '{prompt}'],
    resume: undefined,
    transcript: undefined,
    takesHeap: false,
    env: {},
    notes: ['a native program that exits 0 also after errors: its events say how it ended'],
  },
];
