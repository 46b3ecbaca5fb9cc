/** What did an installation change in a project, so that it can be taken back to the byte? One file in the project's own folder. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { readText, removeFile, replaceFile } from '../files.ts';

export interface InstallRecord {
  /** The files that were made, by their path in the project, with what they held. */
  readonly files: Readonly<Record<string, string>>;
  /** The client's settings as they were before, and what they held afterwards. */
  readonly settings: { readonly before: string | undefined; readonly after: string } | undefined;
  /** The variables that were put into the client's settings. */
  readonly env: Readonly<Record<string, string>>;
}

const VERSION = 1;

/** Where it lies; the client's settings from before stand in it as well, which makes it their backup. */
export function installRecordPath(projectDir: string): string {
  return join(projectDir, '.claude-pm', 'install.json');
}

/** What a file held, shortened. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** undefined: nothing was installed from here. @throws Failure (2) for a file that is damaged or of a newer version; it stays as it is. */
export function readInstallRecord(projectDir: string): InstallRecord | undefined {
  const path = installRecordPath(projectDir);
  const text = readText(path);
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value === undefined)
    throw new Failure(`${path} is damaged: put it aside to go on without it; nothing was changed`);
  const { version, files, settings, env } = value;
  if (typeof version === 'number' && version > VERSION)
    throw new Failure(
      `${path} has version ${version}, this program knows ${VERSION}: update this toolkit`,
      EXIT.mend,
    );
  return { files: textsOf(files), settings: settingsOf(settings), env: textsOf(env) };
}

/** Keeps what was changed. */
export function writeInstallRecord(projectDir: string, record: InstallRecord): void {
  const text = JSON.stringify({ version: VERSION, ...record }, undefined, 2);
  replaceFile(installRecordPath(projectDir), `${text}\n`, { durable: true });
}

/** Forgets it. */
export function removeInstallRecord(projectDir: string): void {
  removeFile(installRecordPath(projectDir));
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function textsOf(value: unknown): Record<string, string> {
  const entries = isRecord(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function settingsOf(value: unknown): InstallRecord['settings'] {
  if (!isRecord(value) || typeof value['after'] !== 'string') return undefined;
  const before = value['before'];
  return { before: typeof before === 'string' ? before : undefined, after: value['after'] };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
