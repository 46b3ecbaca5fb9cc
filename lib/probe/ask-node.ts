/** Which flags does this Node take in NODE_OPTIONS, and which heap limit do they give it? Asked of the binary itself. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { Failure } from '../failure.ts';

const run = promisify(execFile);

const QUESTION =
  'process.stdout.write(JSON.stringify([process.version,require("node:v8").getHeapStatistics().heap_size_limit]))';

export interface NodeAnswer {
  /** As `process.version` writes it: `v20.20.2`. */
  readonly version: string;
  readonly accepted: readonly string[];
  /** With the first line of what the binary said about it. */
  readonly refused: readonly { readonly flag: string; readonly message: string }[];
  /** V8's heap_size_limit with the accepted flags, bytes: old space and what V8 adds to it. */
  readonly heapLimitBytes: number;
}

/**
 * Starts the Node at `path` with the flags in NODE_OPTIONS: once with all; if it refuses, once with each, and once with
 * those that it takes alone. Only for a file that is known to be Node (readExecutable): it is executed.
 * Throws a Failure where it does not start without flags, does not answer in time, or refuses together what it takes alone.
 */
export async function askNode(
  path: string,
  flags: readonly string[],
  { timeoutMs = 10_000 }: { timeoutMs?: number } = {},
): Promise<NodeAnswer> {
  const together = await startOnce(path, flags, timeoutMs);
  if (!('message' in together)) return { ...together, accepted: flags, refused: [] };

  const accepted: string[] = [];
  const refused: { flag: string; message: string }[] = [];
  for (const flag of flags) {
    const alone = await startOnce(path, [flag], timeoutMs);
    if ('message' in alone) refused.push({ flag, message: alone.message });
    else accepted.push(flag);
  }
  const answer = await startOnce(path, accepted, timeoutMs);
  if ('message' in answer)
    throw new Failure(`${path} does not start with ${quote(accepted) || 'no flags'}: ${answer.message}`);
  return { ...answer, accepted, refused };
}

type Answer = { readonly version: string; readonly heapLimitBytes: number };

async function startOnce(
  path: string,
  flags: readonly string[],
  timeoutMs: number,
): Promise<Answer | { readonly message: string }> {
  const env = { ...process.env, NODE_OPTIONS: quote(flags) };
  try {
    const { stdout } = await run(path, ['-e', QUESTION], { env, timeout: timeoutMs, killSignal: 'SIGKILL' });
    return parseAnswer(stdout) ?? { message: `no answer but ${JSON.stringify(stdout.slice(0, 60))}` };
  } catch (error) {
    const facts = endOf(error);
    if (facts.exitCode !== undefined)
      return { message: firstLine(facts.stderr) ?? `exit code ${facts.exitCode}` };
    if (facts.signal === 'SIGKILL') throw new Failure(`${path} gave no answer within ${timeoutMs} ms`);
    if (facts.signal !== undefined) return { message: firstLine(facts.stderr) ?? `ended by ${facts.signal}` };
    throw new Failure(`cannot start ${path}`, undefined, { cause: error });
  }
}

function parseAnswer(text: string): Answer | undefined {
  const match = /\["(v\d+\.\d+\.\d+[^"]*)",(\d+)\]$/.exec(text);
  return match ? { version: match[1] ?? '', heapLimitBytes: Number(match[2]) } : undefined;
}

function endOf(error: unknown): { exitCode?: number; signal?: string; stderr: string } {
  if (!(error instanceof Error)) return { stderr: '' };
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : '';
  if ('code' in error && typeof error.code === 'number') return { exitCode: error.code, stderr };
  if ('signal' in error && typeof error.signal === 'string') return { signal: error.signal, stderr };
  return { stderr };
}

function firstLine(text: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim();
}

/** As NODE_OPTIONS wants it: separated by spaces; in double quotes, with `\` before `"` and `\`, where a flag holds a space. */
function quote(flags: readonly string[]): string {
  return flags.map((flag) => (/[\s"\\]/.test(flag) ? `"${flag.replace(/["\\]/g, '\\$&')}"` : flag)).join(' ');
}
