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
  return {
    live,
    onEvent: (event) => {
      if (call.json) call.out(`${eventJson(event)}\n`);
      else if (live) live.tell(event);
      else call.out(`${eventLine(event)}\n`);
    },
    close: async () => live?.close(),
  };
}
