/** How does an agent of the pool start, what does it hold, and when has it come to rest? */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeDescriptor } from '../files.ts';
import type { ProcessIdentity } from '../model.ts';
import { makePipe, openPipeForChild, sizeOf } from '../pipes.ts';
import type { ActivityLook } from '../policy/pool.ts';
import { planTrees, sumTree } from '../policy/tree.ts';
import { readCpuMs } from '../probe/cpu.ts';
import { openTreeSampler } from '../probe/sampler.ts';
import type { Ceilings } from './ceiling.ts';
import type { AttemptSpec } from './engine.ts';
import { launch } from './launch.ts';
import { TAG_VARIABLE } from './local-engine.ts';

/**
 * Starts an agent whose stdin is a named pipe at `stdinPath`, which it holds open for reading and writing itself, and whose
 * output goes to the files of the spec. It leads a session of its own and outlives us. @throws Failure where it cannot be started.
 */
export function startAgent(
  spec: AttemptSpec,
  stdinPath: string,
  ceilings: Ceilings,
): ChildProcess & { readonly pid: number } {
  makePipe(stdinPath);
  const stdin = openPipeForChild(stdinPath);
  try {
    const { child, group } = launch(spec, ceilings, stdin);
    const { pid } = child;
    if (pid === undefined) {
      group?.remove();
      throw new Error(`${spec.key}: no process, though it was started`);
    }
    child.unref();
    return Object.assign(child, { pid });
  } finally {
    closeDescriptor(stdin);
  }
}

/** What an agent's whole tree holds and does now. */
export interface AgentLook extends ActivityLook {
  /** Resident: what growth is judged by. */
  readonly bytes: number;
  /** What ending it would about free: what its charge is compared with. */
  readonly privateBytes: number;
  /** Exact where the kernel tells. */
  readonly pssBytes: () => number | undefined;
}

/** Looks at an agent again and again, cheaply; undefined as soon as nothing of it is left. */
export function openAgentLooks(
  tag: string,
  identity: ProcessIdentity,
  stdoutPath: string,
): { readonly look: (full?: boolean) => AgentLook | undefined; readonly close: () => void } {
  const sampler = openTreeSampler({ tagName: TAG_VARIABLE, rules: { planTrees, sumTree } });
  sampler.add(tag, identity.pid, identity.startTicks);
  return {
    look: (full = false) => {
      const atMs = Date.now();
      const sample = sampler.sample(atMs, { full }).get(tag);
      if (sample === undefined || sample.members.length === 0) return undefined;
      return {
        atMs,
        bytes: sample.rssBytes,
        privateBytes: sample.privateBytes,
        processes: sample.members.length,
        cpuMs: readCpuMs(sample.members.map(({ pid }) => pid)),
        outputBytes: sizeOf(stdoutPath),
        pssBytes: () => sampler.pss(tag),
      };
    },
    close: () => sampler.close(),
  };
}

/** One look. */
export function lookAtAgent(
  tag: string,
  identity: ProcessIdentity,
  stdoutPath: string,
): AgentLook | undefined {
  const looks = openAgentLooks(tag, identity, stdoutPath);
  try {
    return looks.look(true);
  } finally {
    looks.close();
  }
}

const REST_LOOK_MS = 30;
/** So many looks in a row without a tick of CPU: start-up is over, it waits for input. */
const REST_LOOKS = 4;
/** What works on by itself never comes to rest. */
const REST_MOST_MS = 5000;

/** Waits until an agent waits for work: since when, and its tree then; undefined: it ended. */
export async function comeToRest(
  tag: string,
  identity: ProcessIdentity,
  stdoutPath: string,
): Promise<{ readonly restMs: number; readonly look: AgentLook } | undefined> {
  const looks = openAgentLooks(tag, identity, stdoutPath);
  try {
    const startMs = Date.now();
    let restMs = startMs;
    let before = looks.look();
    for (let quiet = 0; before && quiet < REST_LOOKS && Date.now() - startMs < REST_MOST_MS;) {
      await sleep(REST_LOOK_MS);
      const now = looks.look(quiet === REST_LOOKS - 1);
      const isQuiet = now !== undefined && now.cpuMs === before.cpuMs && now.processes === before.processes;
      quiet = isQuiet ? quiet + 1 : 0;
      if (!isQuiet) restMs = Date.now();
      before = now;
    }
    return before && { restMs, look: before };
  } finally {
    looks.close();
  }
}
