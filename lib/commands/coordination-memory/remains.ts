/** Who looks after what a killed run left behind? The next run: it ends what dead agents left, and lets go on who stands still. */
import { signalMembers } from '../../act/signal-tree.ts';
import { Failure } from '../../failure.ts';
import type { Lease } from '../../model.ts';
import { chooseToGoOn } from '../../policy/survivors.ts';
import { readIdentity } from '../../probe/identity.ts';
import { readProcessTable } from '../../probe/processes.ts';
import type { RunEvent } from '../../run-model.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { readAgents } from '../agents.ts';
import type { Context } from '../context.ts';
import { sweep } from '../sweep.ts';

export interface Remains {
  /** Ends what agents left whose run and who themselves are dead. @throws Failure where the ledger cannot be read. */
  readonly end: () => Promise<void>;
  /** The same beside a run that goes on; what cannot be ended is told. */
  readonly endSoon: () => void;
  /** Every `endSoon` so far is over. */
  readonly ended: () => Promise<void>;
  /** Of the agents whose run is dead one that it had halted goes on, if none else works; `isHeld`: a person holds it. */
  readonly letGoOn: (survivors: readonly Lease[], isHeld: (lease: Lease) => boolean) => void;
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
  let last: Promise<void> | undefined;
  const endSoon = (): void => {
    last = (last ?? Promise.resolve()).then(end).catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      note(`what an earlier run had left stays, \`cleanup\` tries again: ${error.message}`);
    });
  };
  return {
    end,
    endSoon,
    ended: async () => {
      // Once more: the kernel may not have let go of a survivor's group when its end was seen.
      if (last) endSoon();
      await last;
    },
    letGoOn: (leases, isHeld) => {
      if (leases.length === 0) return;
      const agents = readAgents(leases, context.liveness().isAlive, Date.now(), readProcessTable());
      const goesOn = chooseToGoOn(
        agents.map(({ lease, members }) => ({
          id: lease.key,
          sinceMs: lease.sinceMs,
          isHalted: members.some(({ state }) => state === 'T'),
          isHeld: isHeld(lease),
          members,
        })),
      );
      if (goesOn === undefined) return;
      signalMembers(goesOn.members, (pid) => readIdentity(pid)?.startTicks, 'SIGCONT');
      note(`${goesOn.id} goes on: the run that had halted it was killed`);
    },
  };
}
