// How does a program leak at a known rate, and leave behind how far and how fast it came?
//
//   node bench/guard-leak.mjs RECORD MB_PER_S MOST_MB [HOLD_MS] [DELAY_MS]
//
// After DELAY_MS (0) it touches 4 KB pages of memory that it has reserved, that many MB a second up to an RSS of MOST_MB,
// holds them for HOLD_MS (for ever) and ends with 0. RECORD is written over in place after each step with four doubles:
// RSS and time (ms since the epoch) when the growth began, and both at the last step. Whoever ends it can read them there.
import { openSync, writeSync } from 'node:fs';

const MIB = 1024 ** 2;
const PAGE = 4096;
const STEP = MIB;
const RESERVE = 256 * MIB;
const FOR_EVER_MS = 2 ** 31 - 1;
/** A halt does not count as time: it would leap afterwards. */
const MOST_BEHIND_MS = 100;

const [record = '', rate, most, hold = FOR_EVER_MS, delay = 0] = process.argv.slice(2);
const bytesPerMs = (Number(rate) * MIB) / 1000;
const mostBytes = Number(most) * MIB;

const held = [];
let touched = RESERVE;
function touchStep() {
  if (touched >= RESERVE) {
    held.push(new Uint8Array(RESERVE));
    touched = 0;
  }
  const block = held[held.length - 1];
  for (const end = touched + STEP; touched < end; touched += PAGE) block[touched] = 1;
}

const now = () => performance.timeOrigin + performance.now();
const rss = () => process.memoryUsage.rss();
const fd = openSync(record, 'w');
const figures = new Float64Array(4);
const bytes = new Uint8Array(figures.buffer);
let lastMs = 0;
let wantedBytes = 0;

function begin() {
  lastMs = now();
  wantedBytes = rss();
  figures.set([wantedBytes, lastMs, wantedBytes, lastMs]);
  writeSync(fd, bytes, 0, bytes.length, 0);
  grow();
}

/** Catches up with what it should hold by now. */
function grow() {
  const nowMs = now();
  wantedBytes = Math.min(mostBytes, wantedBytes + Math.min(MOST_BEHIND_MS, nowMs - lastMs) * bytesPerMs);
  lastMs = nowMs;
  while (figures[2] + STEP <= wantedBytes) {
    touchStep();
    figures[2] = rss();
    figures[3] = now();
    writeSync(fd, bytes, 0, bytes.length, 0);
  }
  if (figures[2] + STEP <= mostBytes) setTimeout(grow, 1);
  else setTimeout(() => process.exit(0), Number(hold));
}

setTimeout(begin, Number(delay));
