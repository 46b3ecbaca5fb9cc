/** Which settings say what a coding client hears when it wants to start a sub-agent: gate? */
import type { Setting } from '../setting.ts';

export const GATE_SETTINGS = {
  'gate.when_full': {
    type: 'gate_answer',
    standard: 'deny',
    meaning:
      'A sub-agent that does not fit: deny tells the model why, wait holds its call, defer ends `claude -p` until it is resumed.',
  },
  'gate.wait': {
    type: 'seconds',
    range: [0, 570],
    standard: 60,
    meaning: 'The longest that a call is held (wait), and that an agent nobody could refuse waits to begin.',
  },
  'gate.on_failure': {
    type: 'gate_failure',
    standard: 'allow',
    meaning: 'What a gate that cannot do its work does with a call: allow or block.',
  },
  'gate.unstarted': {
    type: 'seconds',
    range: [1, 86400],
    standard: 120,
    meaning: 'How long a share is kept for a call that was let through and has started nothing yet.',
  },
  'gate.bash': {
    type: 'gate_bash',
    standard: 'off',
    meaning: 'Heavy commands of a shell while memory is critical: off, advise the model, or refuse them.',
  },
  'gate.tool_jobs': {
    type: 'integer',
    range: [0, 256],
    standard: 0,
    meaning:
      'How many jobs the test runners and builds that agents start may run at once; 0: their own choice.',
  },
} as const satisfies Record<string, Setting>;
