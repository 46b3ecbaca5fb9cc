// What do the products look like? Raw pixels outside the V8 heap; half of them by a helper in a session of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { DIST, random, report, writeDist } from './shared.mjs';

const SIZE = 1280;
const PICTURES = 20;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const helps = process.argv[2] === 'helper';
const helper = helps ? undefined : startHelper();
const originals = [];
let written = 0;
for (let id = helps ? 1 : 0; id < PICTURES; id += 2) {
  const original = draw(id);
  originals.push(original);
  const png = encode(shrink(original, SIZE, 2), SIZE / 2);
  writeDist(join('pictures', `${id}.png`), png);
  written += png.length;
}
if (!helps) {
  const sheet = contactSheet(originals);
  writeDist(join('pictures', 'sheet.png'), encode(sheet.pixels, sheet.width));
  assert.deepEqual(await helper, [0, null], 'the helper failed');
  const files = readdirSync(join(DIST, 'pictures')).filter((name) => /^\d+\.png$/.test(name));
  assert.equal(files.length, PICTURES, `${files.length} pictures`);
  report('pictures', { pictures: files.length, sheet_width: sheet.width, own_bytes: written });
}

/** `detached` is setsid: neither our process group nor our session will lead to it. */
function startHelper() {
  const options = { detached: true, stdio: ['ignore', 'inherit', 'inherit'] };
  return once(spawn(process.execPath, [import.meta.filename, 'helper'], options), 'exit');
}

/** SIZE x SIZE pixels, 4 bytes each: rings of a colour of its own, with grain. */
function draw(id) {
  const pixels = Buffer.alloc(SIZE * SIZE * 4);
  const chance = random(id);
  const [red, green, blue, width] = [chance() * 255, chance() * 255, chance() * 255, 8 + chance() * 40];
  for (let y = 0, at = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++, at += 4) {
      const light = 0.6 + 0.4 * Math.sin(Math.hypot(x - SIZE / 2, y - SIZE / 2) / width);
      const grain = (Math.imul(x * 73856093, y * 19349663) >>> 28) - 8;
      pixels[at] = Math.max(0, Math.min(255, red * light + grain));
      pixels[at + 1] = Math.max(0, Math.min(255, green * light + grain));
      pixels[at + 2] = Math.max(0, Math.min(255, blue * light + grain));
      pixels[at + 3] = 255;
    }
  }
  return pixels;
}

/** Averages squares of `by` x `by` pixels. */
function shrink(pixels, size, by) {
  const small = Buffer.alloc(pixels.length / by ** 2);
  const width = size / by;
  for (let at = 0; at < small.length; at++) {
    const [channel, x, y] = [at % 4, (at >> 2) % width, Math.floor((at >> 2) / width)];
    let sum = 0;
    for (let dy = 0; dy < by; dy++)
      for (let dx = 0; dx < by; dx++) sum += pixels[((y * by + dy) * size + x * by + dx) * 4 + channel];
    small[at] = sum / by ** 2;
  }
  return small;
}

/** All originals side by side at a quarter of their size: everything is held once more, at the end. */
function contactSheet(all) {
  const side = SIZE / 4;
  const width = side * all.length;
  const pixels = Buffer.alloc(side * width * 4);
  all
    .map((original) => shrink(original, SIZE, 4))
    .forEach((small, index) => {
      for (let y = 0; y < side; y++)
        small.copy(pixels, (y * width + index * side) * 4, y * side * 4, (y + 1) * side * 4);
    });
  return { pixels, width };
}

function encode(pixels, width) {
  const height = pixels.length / 4 / width;
  const rows = Buffer.alloc(pixels.length + height);
  for (let y = 0; y < height; y++)
    pixels.copy(rows, y * (width * 4 + 1) + 1, y * width * 4, (y + 1) * width * 4);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6], 8);
  const data = deflateSync(rows);
  assert.ok(inflateSync(data).equals(rows), 'a picture does not survive its compression');
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
