/** How does a user's command handle memory pressure, and how does it end with all that it started when its time is over? */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../failure.ts';
import type { ProcessFacts } from '../model.ts';
import { planTrees } from '../policy/tree.ts';
import { readIdentity } from '../probe/identity.ts';
import { readProcessTable, readTag } from '../probe/processes.ts';
import type { Handler, HandlerEnd } from './handlers.ts';
import { TAG_VARIABLE } from './local-engine.ts';
import { openTreeStop } from './signal-tree.ts';
import { givePriority } from './priority.ts';

export interface CommandSpec {
  readonly name: string;
  readonly words: readonly string[];
  readonly timeoutMs: number;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** TERM to KILL; handlers are small, and memory is short. */
const GRACE_MS = 1000;
/** KILL needs a moment to be carried out. */
const AFTER_KILL_MS = 1500;
const STEP_MS = 50;
/** What is kept of a handler's output: its last words say most. */
const KEPT_BYTES = 2048;
const SHOWN_CHARS = 200;
/** What was written before the end has arrived by now; a child of the handler may hold the pipe for ever. */
const DRAIN_MS = 100;

/** A handler that starts the words in a session of their own, without input, and keeps the end of what they say. */
export function commandHandler(spec: CommandSpec): Handler {
  const { name, timeoutMs } = spec;
  return { name, timeoutMs, endsProcesses: true, run: (signal) => runCommand(spec, signal) };
}

async function runCommand(spec: CommandSpec, signal: AbortSignal): Promise<HandlerEnd> {
  const [program = '', ...args] = spec.words;
  const tag = randomBytes(8).toString('hex');
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: { ...spec.env, [TAG_VARIABLE]: tag },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  const readTail = keepTail([child.stdout, child.stderr]);
  const ended = endOf(child);
  const closed = new Promise((resolve) => child.once('close', resolve));
  if (pid === undefined) return ended;
  givePriority(pid);
  const startTicks = readIdentity(pid)?.startTicks;

  const first = await Promise.race([ended, aborted(signal)]);
  const stopped =
    first === 'aborted' && startTicks !== undefined ? await endTree(pid, startTicks, tag) : undefined;
  const end = first === 'aborted' ? undefined : first;
  await Promise.race([closed, sleep(DRAIN_MS)]);
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  const said = readTail();
  const text = stopped ?? end?.detail ?? 'it was gone already';
  return { isDone: end?.isDone === true, detail: said === '' ? text : `${text}: ${said}` };
}

function endOf(child: ChildProcess): Promise<HandlerEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      const why = errorCode(error) === 'ENOENT' ? 'was not found' : `cannot be started (${error.message})`;
      resolve({ isDone: false, detail: `${child.spawnfile} ${why}` });
    });
    child.once('exit', (code, signal) => {
      resolve({ isDone: code === 0, detail: signal === null ? `exit ${code}` : `ended by ${signal}` });
    });
  });
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted');
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
}

/** TERM, grace, KILL for the whole tree, members in sessions of their own included; answers what came of it. */
async function endTree(pid: number, startTicks: number, tag: string): Promise<string> {
  const look = (): ProcessFacts[] => {
    const table = readProcessTable();
    const tags = new Map(
      [...table.keys()].flatMap((one) => (readTag(one, TAG_VARIABLE) === tag ? [[one, tag]] : [])),
    );
    return planTrees(table, [{ id: tag, pid, startTicks }], tags).get(tag) ?? [];
  };
  let members = look();
  const seen = new Set<number>();
  const startedMs = Date.now();
  const stop = openTreeStop(
    () => members,
    (one) => readIdentity(one)?.startTicks,
    GRACE_MS,
    startedMs,
  );
  while (members.length > 0 && Date.now() - startedMs < GRACE_MS + AFTER_KILL_MS) {
    for (const member of members) seen.add(member.pid);
    stop.step(Date.now());
    await sleep(STEP_MS);
    members = look();
  }
  const left = members.length === 0 ? '' : `, ${members.length} are left`;
  return `ended ${seen.size - members.length} processes${left}`;
}

/** Reads everything, so that nobody blocks on a full pipe, and keeps the last of it as one line. */
function keepTail(streams: readonly Readable[]): () => string {
  let kept = Buffer.alloc(0);
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES);
    });
    stream.on('error', () => undefined);
  }
  return () => {
    const line = kept
      .toString('utf8')
      .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
      .trim();
    return line.length > SHOWN_CHARS ? `…${line.slice(1 - SHOWN_CHARS)}` : line;
  };
}
