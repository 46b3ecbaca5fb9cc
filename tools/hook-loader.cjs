// How does the hook start without being compiled anew each time? What V8 made of it is kept in the state folder, one file for
// each event, build, Node and set of flags; V8 itself refuses what does not fit, and then, as without the file, it compiles.
// CODE and BUILD are put in by tools/hook-bundle.mjs.
'use strict';
/* global CODE, BUILD */
const fs = require('node:fs');
const vm = require('node:vm');

/** The folder of the ledger, as lib/state/paths.ts finds it, where that can be told without a question. */
function stateDir({ CLAUDE_PM_STATE_DIR: own, XDG_STATE_HOME: state, HOME: home }) {
  if (own) return own[0] === '/' ? own : undefined;
  if (state) return state[0] === '/' ? `${state}/claude-pm` : undefined;
  return home && home[0] === '/' ? `${home}/.local/state/claude-pm` : undefined;
}

/** FNV-1a: names the flags, which may be long. */
function digest(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}

function keptAt(dir, word) {
  const flags = digest(`${process.env.NODE_OPTIONS ?? ''} ${process.execArgv.join(' ')}`);
  return `${dir}/compiled/hook-${BUILD}-${process.version}-${process.arch}-${flags}-${word}`;
}

/** Only what we wrote ourselves, in a folder that is ours alone. */
function readKept(path) {
  const facts = fs.statSync(path, { throwIfNoEntry: false });
  if (facts === undefined || facts.uid !== process.getuid?.() || (facts.mode & 0o022) !== 0) return undefined;
  return fs.readFileSync(path);
}

/** Whole or not at all, also after a power cut: V8 would take a torn file at its word. The first call of each event pays for it. */
function keep(path, data) {
  const dir = path.slice(0, path.lastIndexOf('/'));
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = fs.openSync(temporary, 'wx', 0o600);
  try {
    fs.writeSync(fd, data);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, path);
  const old = fs
    .readdirSync(dir)
    .filter((name) => name.startsWith('hook-') && !name.startsWith(`hook-${BUILD}-`));
  for (const name of old) fs.rmSync(`${dir}/${name}`, { force: true });
}

const word = process.argv[2] ?? '';
const dir = /^[a-z-]{1,30}$/.test(word) ? stateDir(process.env) : undefined;
const path = dir && keptAt(dir, word);
let cachedData;
try {
  cachedData = path && readKept(path);
} catch {
  // Nothing is lost but time.
}
const script = new vm.Script(CODE, { filename: __filename, cachedData });
// Code that comes as a text has no way of its own to import.
script.runInThisContext()((name) => import(name));
if (path && (cachedData === undefined || script.cachedDataRejected)) {
  process.once('exit', () => {
    // A call that decided nothing has left most of it uncompiled, and says so by an exit code of its own.
    if (process.exitCode !== undefined) return;
    try {
      keep(path, script.createCachedData());
    } catch {
      // A full or read-only disk: the next call compiles again.
    }
  });
}
