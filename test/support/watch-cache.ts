/** Are the limits of the prompt cache kept at every instant? A look from outside, which counts only where nothing moved meanwhile. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface CacheWatch {
  /** One look; call it again and again. */
  readonly look: () => void;
  /** Looks during which nothing changed, and the most that they saw; a half-written file counts as bytes. */
  readonly seen: { looks: number; mostBytes: number; mostEntries: number };
}

/** Watches the entries of a cache in a state folder. */
export function watchCache(stateDir: string): CacheWatch {
  const dir = join(stateDir, 'prompt-cache', 'entries');
  const seen = { looks: 0, mostBytes: 0, mostEntries: 0 };
  const scan = (): { name: string; ino: number; bytes: number }[] =>
    readdirSync(dir).flatMap((name) => {
      const facts = statSync(join(dir, name), { throwIfNoEntry: false });
      return facts ? [{ name, ino: facts.ino, bytes: facts.size }] : [];
    });
  const look = (): void => {
    let first: ReturnType<typeof scan>;
    try {
      first = scan();
      // Two looks a moment apart that differ say nothing about any one instant.
      if (JSON.stringify(first) !== JSON.stringify(scan())) return;
    } catch {
      // Not there yet.
      return;
    }
    seen.looks += 1;
    seen.mostBytes = Math.max(
      seen.mostBytes,
      first.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    seen.mostEntries = Math.max(seen.mostEntries, first.filter(({ name }) => !name.endsWith('.tmp')).length);
  };
  return { look, seen };
}
