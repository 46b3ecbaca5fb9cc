/** What do the tests of the settings load from? Throw-away homes and projects on a machine of a given size. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Failure } from '../../lib/failure.ts';
import { loadSettings } from '../../lib/config/load.ts';
import type { LoadedSettings, SettingsSources } from '../../lib/config/load.ts';
import { GIB } from '../../lib/units.ts';

export interface World {
  readonly home?: string;
  readonly project?: string;
  readonly env?: Record<string, string>;
  readonly overrides?: SettingsSources['overrides'];
  readonly gb?: number;
}

/** Makes a home and a project with these settings files, calls, and leaves nothing behind. */
export async function inWorld<T>(
  files: { home?: string | undefined; project?: string | undefined },
  deed: (place: { homeDir: string; projectDir: string }) => Promise<T>,
): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'claude-pm-settings-'));
  const place = { homeDir: join(root, 'home'), projectDir: join(root, 'project') };
  try {
    put(join(place.homeDir, '.claude', '.claude-pm.yaml'), files.home);
    put(join(place.projectDir, '.claude-pm.yaml'), files.project);
    return await deed(place);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function put(path: string, text: string | undefined): void {
  mkdirSync(dirname(path), { recursive: true });
  if (text !== undefined) writeFileSync(path, text);
}

/** Loads the settings of a world; 24 GB unless it says otherwise. */
export async function load(world: World): Promise<LoadedSettings> {
  return inWorld(world, (place) =>
    loadSettings({
      ...place,
      env: world.env ?? {},
      overrides: world.overrides ?? {},
      machineTotalBytes: (world.gb ?? 24) * GIB,
    }),
  );
}

/** The lines of the failure that loading gives, with U and P for the user's and the project's file; none if it loads. */
export async function faultsOf(world: World): Promise<string[]> {
  try {
    await load(world);
    return [];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return shorten(error.message).split('\n');
  }
}

/** The effective value of one key with its unit, and where it comes from, as `2 GB < profile auto`. */
export async function told(world: World, key: string): Promise<string> {
  const { values } = await load(world);
  const found = values.find((value) => value.key === key);
  return found === undefined ? 'absent' : `${found.value}${found.unit ?? ''} < ${shorten(found.origin)}`;
}

/** Paths of a world as U and P. */
export function shorten(text: string): string {
  return text
    .replaceAll(/\/\S*\/home\/\.claude\/\.claude-pm\.yaml/g, 'U')
    .replaceAll(/\/\S*\/project\/\.claude-pm\.yaml/g, 'P');
}
