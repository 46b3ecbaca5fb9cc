/** The machine itself runs out: who goes, one at a time, and what did it free? */
import type { MemorySnapshot } from '../model.ts';
import type { RunEvent } from '../run-model.ts';
import { OUR_RULES } from '../policy/our-rules.ts';
import { chooseVictim, type Candidate } from '../policy/victim.ts';
import { formatBytes } from '../units.ts';

/** The kernel gives the memory of a killed process back 40 to 310 ms after it is a zombie. */
const RETURNS_MS = 350;

/** Follows the machine from look to look. */
export class MachineGuard {
  readonly #stopBelowBytes: number;
  #victim: { readonly key: string; readonly availableBytes: number; goneMs: number | undefined } | undefined;
  #told: string | undefined;

  /** Admissions are held under the floor; somebody goes under half of it, because the last half can be gone in a quarter of a second. */
  constructor(floorBytes: number) {
    this.#stopBelowBytes = floorBytes / 2;
  }

  /** Agents that grow are halted where less than this would be left: between the floor and where somebody goes. */
  get haltBelowBytes(): number {
    return this.#stopBelowBytes * 1.5;
  }

  get stopBelowBytes(): number {
    return this.#stopBelowBytes;
  }

  /** Who must be stopped now, if anybody. `tell` gets what an earlier victim freed, and why nobody goes. */
  choose(
    agents: readonly Candidate[],
    memory: MemorySnapshot,
    nowMs: number,
    tell: (event: RunEvent) => void,
  ): { readonly key: string; readonly reason: string } | undefined {
    if (!this.#measure(agents, memory, nowMs, tell)) return undefined;
    const stopBelowBytes = this.#stopBelowBytes;
    if (memory.availableBytes >= stopBelowBytes) {
      this.#told = undefined;
      return undefined;
    }
    const neededBytes = this.haltBelowBytes - memory.availableBytes;
    const choice = chooseVictim(agents, { neededBytes, toleranceShare: OUR_RULES.toleranceShare });
    const scarce = `only ${formatBytes(memory.availableBytes)} available, under ${formatBytes(stopBelowBytes)}`;
    if (choice.choice === 'wait') {
      if (this.#told !== choice.reason)
        tell({ atMs: nowMs, event: 'note', text: `${scarce}; ${choice.reason}` });
      this.#told = choice.reason;
      return undefined;
    }
    this.#victim = { key: choice.key, availableBytes: memory.availableBytes, goneMs: undefined };
    return { key: choice.key, reason: `the machine ran out: ${scarce}; ${choice.reason}` };
  }

  /** One action, then wait and measure: the next is chosen by what is there after it. false: not known yet. */
  #measure(
    agents: readonly Candidate[],
    memory: MemorySnapshot,
    nowMs: number,
    tell: (event: RunEvent) => void,
  ): boolean {
    const victim = this.#victim;
    if (victim === undefined || agents.some(({ key }) => key === victim.key)) return true;
    victim.goneMs ??= nowMs;
    if (nowMs - victim.goneMs < RETURNS_MS) return false;
    this.#victim = undefined;
    const freedBytes = Math.max(0, memory.availableBytes - victim.availableBytes);
    tell({
      atMs: nowMs,
      event: 'note',
      text: `${victim.key} is gone; ${formatBytes(freedBytes)} more are available`,
    });
    return true;
  }
}
