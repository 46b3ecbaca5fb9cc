// How does a process escape from whoever started it? A session of its own, a double fork, and no ear for signals.
//
//   node bench/guard-escape.mjs first|daemon FILE [bare]
//
// `first` starts a middle one in a session of its own, which starts the daemon in another one and ends; so the daemon is
// init's child. The daemon writes its pid into FILE and from then on appends each signal that it got and did not heed.
// `bare`: without any environment. It holds no more than a bare Node does.
import { spawn } from 'node:child_process';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';

const [role = '', file = '', bare] = process.argv.slice(2);
if (role === 'daemon') {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGCONT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'])
    process.on(signal, () => appendFileSync(file, `${signal}\n`));
  writeFileSync(`${file}.new`, `${process.pid}\n`);
  renameSync(`${file}.new`, file);
  setInterval(() => undefined, 2 ** 30);
} else {
  const next = role === 'first' ? 'middle' : 'daemon';
  const words = [import.meta.filename, next, file, ...(bare ? [bare] : [])];
  const env = bare && next === 'daemon' ? {} : process.env;
  spawn(process.execPath, words, { detached: true, stdio: 'ignore', env }).unref();
}
