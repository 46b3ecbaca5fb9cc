/** Which key and which value do the words of a call mean? Words, files or stdin. */
import { resolve } from 'node:path';
import { Failure } from '../../failure.ts';
import { readBytes } from '../../files.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';

/** The key of a call: its first word, or the content of --key-file; undefined where there is neither. @throws Failure (2) for both, an empty one, or a file that is not there. */
export function keyOf(call: Call): string | Uint8Array | undefined {
  const [word] = call.args;
  const file = flagText(call, 'key-file');
  if (word !== undefined && file !== undefined)
    throw new Failure('a key and --key-file say the same thing: give one of them');
  const key = file === undefined ? word : readInput(call, file, '--key-file');
  if (key?.length === 0) throw new Failure('an empty key names nothing');
  return key;
}

/** The same where a key must be given. */
export function neededKey(call: Call): string | Uint8Array {
  const key = keyOf(call);
  if (key === undefined) throw new Failure(`${call.command} needs a KEY, or --key-file FILE`);
  return key;
}

/**
 * The value of a call: the words behind the key or `--`, the content of --file, else stdin, which is read no further than
 * `mostBytes` needs to be known to be exceeded.
 * @throws Failure (2) where stdin is a terminal, or a file is not there.
 */
export async function valueOf(call: Call, mostBytes: number): Promise<Uint8Array | undefined> {
  const words = [...call.args.slice(1), ...call.rest];
  const file = flagText(call, 'file');
  const isUndefined = call.flags['undefined'] === true;
  if ([words.length > 0, file !== undefined, isUndefined].filter(Boolean).length > 1)
    throw new Failure('words, --file and --undefined each say the whole value: give one of them');
  if (isUndefined) return undefined;
  if (words.length > 0) return Buffer.from(words.join(' '));
  if (file !== undefined) return readInput(call, file, '--file');
  if (process.stdin.isTTY)
    throw new Failure('set reads the value from stdin, and stdin is a terminal: write it behind the key');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBytes) break;
  }
  return Buffer.concat(chunks);
}

function readInput(call: Call, file: string, flag: string): Uint8Array {
  const content = readBytes(resolve(call.projectDir, file));
  if (content === undefined) throw new Failure(`${flag} ${shownWord(file)}: there is no such file`);
  return content;
}
