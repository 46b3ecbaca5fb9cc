/** Who ends what the agents of a killed run left behind? The next run: what is there when it begins, and what survivors leave later. */
import { Failure } from '../../failure.ts';
import type { RunEvent } from '../../run-model.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';
import { sweep } from '../sweep.ts';

export interface Remains {
  /** Ends what agents left whose run and who themselves are dead. @throws Failure where the ledger cannot be read. */
  readonly end: () => Promise<void>;
  /** The same beside a run that goes on; what cannot be ended is told. */
  readonly endSoon: () => void;
  /** Every `endSoon` so far is over. */
  readonly ended: () => Promise<void>;
}

/** Opens it for one epic of this project; `tell` hears how many processes went. */
export function openRemains(
  context: Context,
  { epic, projectDir }: EpicPaths,
  tell: (event: RunEvent) => void,
): Remains {
  const note = (text: string): void => tell({ atMs: Date.now(), event: 'note', text });
  const end = async (): Promise<void> => {
    const swept = await sweep(context, (lease) => lease.epic === epic && lease.project === projectDir);
    if (swept.processes > 0)
      note(`${swept.processes} processes that dead agents of an earlier run had left were ended`);
  };
  let last = Promise.resolve();
  return {
    end,
    endSoon: () => {
      last = last.then(end).catch((error: unknown) => {
        if (!(error instanceof Failure)) throw error;
        note(`what an earlier run had left stays, \`cleanup\` tries again: ${error.message}`);
      });
    },
    ended: () => last,
  };
}
