/** What does one attempt get? Its folder, its words, its environment. */
import { join, resolve } from 'node:path';
import type { AttemptSpec, Engine } from '../../act/engine.ts';
import { readText, replaceFile } from '../../files.ts';
import type { Executable, MemorySnapshot } from '../../model.ts';
import type { Settings } from '../../settings-model.ts';
import type { PlannedStream } from '../../run-model.ts';
import { agentVariables, commandOf } from '../../policy/agent-command.ts';
import { wantedFlags } from '../../policy/environment.ts';
import { heapFor, mergeNodeOptions, userNodeOptions } from '../../policy/heap.ts';
import { readExecutable } from '../../probe/executable.ts';
import { prepareAttempt, writeSpec, type StartedProcess } from '../../state/attempts.ts';
import { prepareCheckpoint } from '../../state/checkpoints.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { MIB } from '../../units.ts';
import { openSession } from './agent-session.ts';
import { kindOf } from './plan-streams.ts';

export interface SpecWorld {
  readonly settings: Settings;
  readonly paths: EpicPaths;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** The frugal preload, where optimize_for_size is on and its path can be said in NODE_OPTIONS. */
  readonly preload: string | undefined;
}

/** What to start, and what spec.json will tell of it. */
export interface BuiltSpec {
  readonly spec: AttemptSpec;
  /** Writes spec.json, once it is known what became of the start; without a process where nothing did. */
  readonly write: (started?: StartedProcess) => void;
}

/** Makes the folder of an attempt and says what to start. The limit may be smaller than planned (single-agent mode). */
export function buildSpec(
  world: SpecWorld,
  planned: PlannedStream,
  attempt: number,
  tag: string,
  granted: { readonly estimateBytes: number; readonly limitBytes: number | undefined },
): BuiltSpec {
  const { stream } = planned;
  const kind = kindOf(stream, world.settings);
  const cwd = resolve(world.projectDir, stream.cwd ?? '.');
  const env: NodeJS.ProcessEnv = { ...world.env, ...kind?.env, ...stream.env };
  const find = (word: string): Executable => findProgram(word, env, cwd);
  const streamDir = world.paths.streamDir(stream.key);
  const session = openSession(streamDir, stream, kind, attempt, cwd);
  const words = commandOf(stream, kind, (word) => find(word).kind !== 'missing', session);
  const command = words === undefined ? [] : 'words' in words ? words.words : words.shellLine;
  const heapMb =
    granted.limitBytes !== undefined &&
    planned.limitBytes !== undefined &&
    granted.limitBytes < planned.limitBytes
      ? Math.min(planned.heapMb ?? Infinity, heapFor(granted.limitBytes))
      : planned.heapMb;

  const attemptPaths = prepareAttempt(streamDir);
  const record = {
    tag,
    key: stream.key,
    kind: stream.kind,
    source: stream.source,
    cwd,
    command,
    ...granted,
    heapMb,
    ...(session.id === undefined ? {} : { session: session.id }),
  };
  const limitMb = granted.limitBytes === undefined ? undefined : Math.floor(granted.limitBytes / MIB);
  Object.assign(env, agentVariables(stream, { tag, attempt, limitMb, heapMb }));
  env['CLAUDE_PM_CHECKPOINT'] = prepareCheckpoint(world.projectDir, stream.key);
  const nodeOptions = heapOptions(
    world,
    env,
    heapMb,
    typeof command === 'string' ? undefined : find(command[0] ?? ''),
  );
  if (nodeOptions !== undefined) env['NODE_OPTIONS'] = nodeOptions;
  const spec = {
    key: stream.key,
    attempt,
    tag,
    command,
    cwd,
    env,
    stdoutPath: attemptPaths.stdout,
    stderrPath: attemptPaths.stderr,
    ...granted,
    heapMb,
  };
  return { spec, write: (started) => writeSpec(attemptPaths.spec, attempt, record, started) };
}

/** Programs that were found, by word, PATH and folder: a run starts the same few again and again. */
const programs = new Map<string, Executable>();

/** Looking along PATH and into a file takes a tenth of a millisecond and more; what is missing may be installed meanwhile. */
function findProgram(word: string, env: NodeJS.ProcessEnv, cwd: string): Executable {
  const name = [word, env['PATH'] ?? '', cwd].join('\0');
  const program = programs.get(name) ?? readExecutable(word, env, cwd);
  if (program.kind !== 'missing') programs.set(name, program);
  return program;
}

/**
 * NODE_OPTIONS with the heap: also for programs that ignore V8 flags themselves, because the Node tools that they start
 * inherit it. --expose-gc only where the very Node that we run on is started: older ones refuse it and do not start.
 */
function heapOptions(
  world: SpecWorld,
  env: NodeJS.ProcessEnv,
  heapMb: number | undefined,
  executable: Executable | undefined,
): string | undefined {
  if (!world.settings.enabled || heapMb === undefined) return undefined;
  const own = userNodeOptions({
    nodeOptions: env['NODE_OPTIONS'],
    base: env['CLAUDE_PM_BASE_NODE_OPTIONS'],
    heapMb: world.env['CLAUDE_PM_HEAP_MB'],
  });
  const gcExposure = world.settings.gcExposure && executable?.path === process.execPath;
  const { flags } = wantedFlags({
    heapMb,
    settings: { ...world.settings, gcExposure },
    preloadPath: world.preload,
  });
  return mergeNodeOptions(own, flags);
}

/** Largest members that are written down. */
const MEMBERS = 5;

/** Writes what was seen before an agent is stopped; answers the file. */
export function writeEvidence(
  paths: EpicPaths,
  engine: Engine,
  key: string,
  reason: string,
  memory: MemorySnapshot,
  nowMs: number,
): string {
  const path = join(paths.streamDir(key), 'evidence.json');
  const members = [...engine.survey(key)].sort((a, b) => b.rssBytes - a.rssBytes).slice(0, MEMBERS);
  replaceFile(
    path,
    `${JSON.stringify({ version: 1, atMs: nowMs, key, reason, samples: engine.history(key), members, memory }, undefined, 2)}\n`,
  );
  return path;
}

/** The file by which `kill` tells a run that an end was wished for. */
export function stopRequestPath(paths: EpicPaths, key: string): string {
  return join(paths.streamDir(key), 'stop-request.txt');
}

/** Who asked to stop this stream, and why; undefined: nobody. */
export function readStopRequest(paths: EpicPaths, key: string): string | undefined {
  return readText(stopRequestPath(paths, key))?.trim();
}
