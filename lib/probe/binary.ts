/** Is this file a machine program, and is it Node, Bun or another? */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';

/** So much is read of a file's beginning: the header, a `#!` line, the load commands of a Mach-O file. */
const HEAD_BYTES = 16 * 1024;

/** What `bun build --compile` puts after the modules that it appends to its runtime; 8 bytes of length may follow. */
const BUN_TRAILER = '\n---- Bun! ----\n';
const TAIL_BYTES = 4096;

/** Every Node exports this to its add-ons, whatever the file is called (Bun does too, so ask for Bun first). */
const NODE_SYMBOL = '\0node_module_register\0';

/** Node's own table of names is 5 MB; a larger one is nobody's that matters here. */
const MAX_NAMES_BYTES = 32 * 1024 * 1024;

/** The file's first bytes (at most 16 KiB); undefined where it can't be read. */
export function readHead(path: string): Buffer | undefined {
  return reading(path, (fd) => readPart(fd, 0, HEAD_BYTES));
}

/** The kind of a machine program by its header, name and marks; undefined for any other file. */
export function readBinaryKind(path: string, head: Buffer): 'node' | 'bun' | 'native' | undefined {
  const format = binaryFormat(head);
  if (!format) return undefined;
  const name = basename(path);
  // A Bun program that was compiled from a script keeps its mark under any name.
  if (/^bunx?(-[\w.-]+)?$/.test(name) || holdsBunModules(path, head, format)) return 'bun';
  if (/^node(js)?[-\d.]*$/.test(name)) return 'node';
  return format === 'elf' && exportsNode(path, head) ? 'node' : 'native';
}

function binaryFormat(head: Buffer): 'elf' | 'mach-o' | undefined {
  if (head.length < 64) return undefined;
  const magic = head.readUInt32BE(0);
  if (magic === 0x7f454c46) return 'elf';
  // Both byte orders of 32 and 64 bit, and the universal file.
  return [0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe].includes(magic) ? 'mach-o' : undefined;
}

/** Older Buns append the modules to the file, newer ones keep them in a section of their own (`.bun`, `__BUN`). */
function holdsBunModules(path: string, head: Buffer, format: 'elf' | 'mach-o'): boolean {
  const tail = reading(path, (fd) => readPart(fd, Math.max(0, fstatSync(fd).size - TAIL_BYTES), TAIL_BYTES));
  if (tail?.includes(BUN_TRAILER)) return true;
  if (format === 'mach-o') return head.includes('__BUN\0');
  return reading(path, (fd) => sectionNames(fd, head)?.includes('\0.bun\0')) ?? false;
}

function exportsNode(path: string, head: Buffer): boolean {
  const found = reading(path, (fd) => {
    const names = elfSections(fd, head)?.find((section) => section.type === DYNAMIC_SYMBOLS)?.link;
    const section = names === undefined ? undefined : elfSections(fd, head)?.[names];
    if (!section || section.bytes > MAX_NAMES_BYTES) return false;
    return readPart(fd, section.offset, section.bytes).includes(NODE_SYMBOL);
  });
  return found ?? false;
}

/** SHT_DYNSYM; its `link` is the index of the section with the names. Source: elf(5). */
const DYNAMIC_SYMBOLS = 11;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly bytes: number;
  readonly link: number;
}

/** The section table of a 64-bit little-endian ELF file; undefined for another or a damaged one. */
function elfSections(fd: number, head: Buffer): Section[] | undefined {
  if (head[4] !== 2 || head[5] !== 1) return undefined;
  const entryBytes = head.readUInt16LE(0x3a);
  const entries = head.readUInt16LE(0x3c);
  if (entryBytes < 64 || entries === 0) return undefined;
  const table = readPart(fd, Number(head.readBigUInt64LE(0x28)), entryBytes * entries);
  if (table.length < entryBytes * entries) return undefined;
  return Array.from({ length: entries }, (_, index) => {
    const at = index * entryBytes;
    return {
      type: table.readUInt32LE(at + 4),
      offset: Number(table.readBigUInt64LE(at + 0x18)),
      bytes: Number(table.readBigUInt64LE(at + 0x20)),
      link: table.readUInt32LE(at + 0x28),
    };
  });
}

function sectionNames(fd: number, head: Buffer): Buffer | undefined {
  const section = elfSections(fd, head)?.[head.readUInt16LE(0x3e)];
  return section && section.bytes <= MAX_NAMES_BYTES
    ? readPart(fd, section.offset, section.bytes)
    : undefined;
}

function readPart(fd: number, from: number, bytes: number): Buffer {
  if (!Number.isSafeInteger(from) || from < 0) return Buffer.alloc(0);
  const part = Buffer.alloc(bytes);
  return part.subarray(0, readSync(fd, part, 0, bytes, from));
}

/** A program that may be run but not read (mode 0711) is of an unknown kind, not an error. */
function reading<T>(path: string, read: (fd: number) => T): T | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    return read(fd);
  } finally {
    closeSync(fd);
  }
}
