/** What was there when somebody ended everything? One file for each emergency, written before the first signal. */
import { join } from 'node:path';
import { createFile, isThere, keepNewest } from '../files.ts';

const VERSION = 1;
const KEPT = 20;

/** Writes the evidence and answers its path; the newest 20 stay. @throws Failure where it cannot be written. */
export function keepEmergency(stateDir: string, nowMs: number, evidence: object): string {
  const dir = join(stateDir, 'emergencies');
  const stamp = new Date(nowMs).toISOString().replace(/[:.]/g, '');
  let path = join(dir, `${stamp}.json`);
  for (let again = 2; isThere(path); again += 1) path = join(dir, `${stamp}-${again}.json`);
  createFile(path, `${JSON.stringify({ version: VERSION, ...evidence }, undefined, 2)}\n`);
  keepNewest(dir, (name) => name.endsWith('.json'), KEPT);
  return path;
}
