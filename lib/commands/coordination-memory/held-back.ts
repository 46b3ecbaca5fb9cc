/** Which streams must not start now? Those a person paused, and those that an earlier run's agents still work on. */
import type { HeldStreams } from '../../act/run-queue.ts';
import type { ProcessIdentity, Stream } from '../../model.ts';
import type { RunEvent } from '../../run-model.ts';
import { readBlocked } from '../../state/epic.ts';
import { loadLedger } from '../../state/ledger.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Remains } from './remains.ts';

/** The ledger is looked at this often for survivors. */
const SURVIVORS_MS = 1000;

/** When a survivor has ended, `remains` ends what it left behind, and lets those go on that the dead run had halted: nobody else does. */
export class HeldBack {
  readonly #stateDir: string;
  readonly #paths: EpicPaths;
  readonly #isAlive: (identity: ProcessIdentity) => boolean | undefined;
  readonly #remains: Pick<Remains, 'endSoon' | 'letGoOn'>;
  readonly #told = new Set<string>();
  #survivors: ReadonlySet<string> | undefined;
  #readMs = 0;

  constructor(
    stateDir: string,
    paths: EpicPaths,
    isAlive: (identity: ProcessIdentity) => boolean | undefined,
    remains: Pick<Remains, 'endSoon' | 'letGoOn'>,
  ) {
    this.#stateDir = stateDir;
    this.#paths = paths;
    this.#isAlive = isAlive;
    this.#remains = remains;
  }

  /** The keys held back; each is told once. */
  read(streams: readonly Stream[], nowMs: number, tell: (event: RunEvent) => void): HeldStreams {
    const paused = new Set<string>();
    for (const [name, reason] of readBlocked(this.#paths)) {
      const found = streams.filter(({ key, id }) => key === name || id === name);
      // A file that names a letter alone holds only where the letter names one stream.
      const [stream] = found;
      if (stream === undefined || found.length > 1) continue;
      paused.add(stream.key);
      this.#tell(`${stream.key} is paused: ${reason}`, nowMs, tell);
    }
    return { paused, atWork: this.#readSurvivors(paused, nowMs, tell) };
  }

  #readSurvivors(
    paused: ReadonlySet<string>,
    nowMs: number,
    tell: (event: RunEvent) => void,
  ): ReadonlySet<string> {
    if (this.#survivors && (this.#survivors.size === 0 || nowMs - this.#readMs < SURVIVORS_MS))
      return this.#survivors;
    this.#readMs = nowMs;
    const survivors = loadLedger(this.#stateDir).leases.filter(
      ({ role, epic, project, owner, runner, state }) =>
        role === 'agent' &&
        epic === this.#paths.epic &&
        project === this.#paths.projectDir &&
        state !== 'starting' &&
        owner !== undefined &&
        runner !== undefined &&
        this.#isAlive(runner) === false &&
        this.#isAlive(owner) !== false,
    );
    for (const { key, owner } of survivors) {
      this.#tell(
        `${key} is still at work since an earlier run that was killed (pid ${owner?.pid ?? '?'}): it starts again when that has ended; \`kill\` ends it`,
        nowMs,
        tell,
      );
    }
    if (survivors.length < (this.#survivors?.size ?? 0)) this.#remains.endSoon();
    this.#remains.letGoOn(survivors, ({ key, state }) => state === 'paused' || paused.has(key));
    this.#survivors = new Set(survivors.map(({ key }) => key));
    return this.#survivors;
  }

  #tell(text: string, atMs: number, tell: (event: RunEvent) => void): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    tell({ atMs, event: 'note', text });
  }
}
