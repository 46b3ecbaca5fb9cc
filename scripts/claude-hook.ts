/** What does Claude Code hear when it wants to start a sub-agent? Its hooks call this, one event on stdin, one answer on stdout. */
import { hookMain } from '../lib/commands/claude-hook/main.ts';
import { run } from '../lib/commands/claude-hook/run.ts';
import type { Command, Program } from '../lib/flags.ts';

const SUMMARIES = {
  'pre-tool-use':
    'a sub-agent, a workflow or a message that wakes one: reserve its share, or refuse it with a reason',
  'post-tool-use': 'what the call became: the share goes with its agent, or is given back',
  'post-tool-use-failure': 'the call failed: its share is given back',
  'subagent-start': 'an agent begins: its share is known by its name; without one it waits its turn',
  'subagent-stop': 'an agent ended: its share is given back, what its tree held is recorded',
  stop: 'a turn is over: shares of agents that ended without a word are given back',
  'session-start': 'tells the model in one line how many sub-agents may start',
  'session-end': 'all shares of the session are given back',
} as const;

const block = { meaning: 'a gate that cannot read its settings blocks (default: it lets through)' };

const program: Program = {
  name: 'claude-hook',
  summary:
    "answers Claude Code's hooks: the event as JSON on stdin, the answer as JSON on stdout, always exit 0",
  commands: Object.fromEntries(
    Object.entries(SUMMARIES).map(([name, summary]): [string, Command] => [
      name,
      { summary, flags: { block }, load: () => Promise.resolve(run) },
    ]),
  ),
  examples: ['echo "$EVENT" | npx tsx scripts/claude-hook.ts pre-tool-use'],
};

// No await: the bundle for projects is no ES module.
void hookMain(program, process.argv.slice(2));
