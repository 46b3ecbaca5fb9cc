/** What becomes of the tools that the agents of a run start? Told of and stopped one by one, while their agents go on. */
import type { AttemptView } from './engine.ts';
import type { GuardDeed } from './guard.ts';
import type { AgentsWorld } from './run-agents.ts';
import { SubprocessGuard, type ToolsLook } from './subprocess-guard.ts';

type ToolStop = Extract<GuardDeed, { deed: 'stop-tool' }>;

/** The tools of one run; looks at them only where the settings ask for it. */
export class RunTools {
  readonly #world: AgentsWorld;
  readonly #onStopped: (key: string, message: string) => void;
  readonly #guard: SubprocessGuard | undefined;

  /** `onStopped` is told of each stop, by which a bad end of the agent is explained. */
  constructor(world: AgentsWorld, onStopped: (key: string, message: string) => void) {
    this.#world = world;
    this.#onStopped = onStopped;
    const { subprocess, monitoringEnabled } = world.settings;
    this.#guard = subprocess.enabled && monitoringEnabled ? new SubprocessGuard(subprocess) : undefined;
  }

  /** How much the nearest limit of a tool is away. */
  get headroomBytes(): number {
    return this.#guard?.headroomBytes ?? Infinity;
  }

  /** Judges all tools after a look at the agents that live. */
  look(views: readonly AttemptView[], isLeaving: (key: string) => boolean, nowMs: number): void {
    if (this.#guard === undefined) return;
    const { engine, onEvent, settings } = this.#world;
    const { abort } = settings.thresholds;
    const looks = views
      .filter(({ end }) => end === undefined)
      .map(({ key, pid }): ToolsLook => ({
        key,
        rootPid: pid,
        isLeaving: isLeaving(key),
        processes: engine.processes(key),
        exactBytes: (pids) => engine.exactBytes(key, pids),
      }));
    for (const one of this.#guard.look(looks, nowMs, abort)) {
      if ('note' in one) {
        onEvent({ atMs: nowMs, event: 'note', text: one.note });
        continue;
      }
      const { key, bytes, deed } = one;
      const level = deed.deed === 'tell' ? deed.level : 'over';
      onEvent({ atMs: nowMs, event: 'level', key, level, bytes, message: deed.message });
      if (deed.deed === 'stop-tool' && abort) this.stop(key, deed, nowMs);
    }
  }

  /** The tool goes before its agent, which reads exit 137 and can go on. Halted first, so that nothing grows while evidence is written. */
  stop(key: string, { culprit, message, reason }: ToolStop, nowMs: number): void {
    const { engine, onEvent, readMemory, writeEvidence } = this.#world;
    const said = `${message}; ${reason}: it goes, the agent stays`;
    engine.suspend(key, true);
    const evidence = writeEvidence(key, said, readMemory());
    onEvent({ atMs: nowMs, event: 'stopping', key, reason: said, evidence });
    engine.killBelow(key, culprit);
    this.#onStopped(key, message);
    engine.suspend(key, false);
    this.#guard?.noteKilled(key, culprit, nowMs);
  }
}
