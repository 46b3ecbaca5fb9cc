/** Where does a trace come from: a file, or stdin? */
import { resolve } from 'node:path';
import { Failure } from '../../failure.ts';
import { readText } from '../../files.ts';
import { shownWord } from '../../flags.ts';
import { parseTrace, type Trace } from '../../state/trace-file.ts';

/** The attempts of a file, or of stdin for `-`. @throws Failure where there is none, or it is no trace. */
export async function readTrace(file: string, label: string): Promise<Trace> {
  if (file === '-') return parseTrace(await readStdin(), 'stdin', label);
  const text = readText(resolve(file));
  if (text === undefined) throw new Failure(`there is no file ${shownWord(file)}`);
  return parseTrace(text, file, label);
}

async function readStdin(): Promise<string> {
  if (process.stdin.isTTY) throw new Failure('stdin is a terminal: name a file, or pipe a trace into it');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
