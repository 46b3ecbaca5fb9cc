/** How does a run tell of itself while it goes on? */
import type { Call } from '../../flags.ts';
import { eventJson, eventLine } from '../../output/run-lines.ts';
import { LiveTable } from '../../output/run-table.ts';
import type { RunEvent } from '../../run-model.ts';
import type { Planned } from './plan-streams.ts';

/** Who tells of a run while it goes on. */
export interface Say {
  readonly onEvent: (event: RunEvent) => void;
  readonly live: LiveTable | undefined;
  readonly close: () => Promise<void>;
}

/** A live table on a terminal, one event a line with --json, else plain lines. */
export function openSay(call: Call, plan: Planned): Say {
  const live =
    call.terminal && !call.json && process.stderr.isTTY ? new LiveTable(plan.planned, Date.now()) : undefined;
  let lines = '';
  const flush = (): void => {
    if (lines !== '') call.out(lines);
    lines = '';
  };
  return {
    live,
    onEvent: (event) => {
      if (live && !call.json) {
        live.tell(event);
        return;
      }
      // What happens at one moment (an end, and the start that it made room for) is written at once, when that is over.
      if (lines === '') queueMicrotask(flush);
      lines += `${call.json ? eventJson(event) : eventLine(event)}\n`;
    },
    close: async () => {
      flush();
      await live?.close();
    },
  };
}
