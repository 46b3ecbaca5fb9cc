/** What is the exact measure of something whose cheap measure is too large? Taken again only when it has grown since. */

/** The exact measure is good until the cheap one has grown by this share, and for this long: at 17 ms a GB it would be most of what a guard does. */
const EXACT_SHARE = 1.01;
const EXACT_MS = 500;

/** Follows one tree or subtree. */
export class ExactMeasure {
  #seen: { readonly atMs: number; readonly atBytes: number; readonly bytes: number } | undefined;

  /** The exact bytes, or the cheap ones where `read` cannot tell. */
  take(atMs: number, cheapBytes: number, read: () => number | undefined): number {
    const seen = this.#seen;
    if (seen && cheapBytes <= seen.atBytes * EXACT_SHARE && atMs - seen.atMs < EXACT_MS) return seen.bytes;
    const bytes = read() ?? cheapBytes;
    this.#seen = { atMs, atBytes: cheapBytes, bytes };
    return bytes;
  }
}
