/** How does one alert reach a webhook or a command, within its time limit, and with nothing left behind? */
import { spawn, type ChildProcess } from 'node:child_process';
import type { ClientRequest } from 'node:http';
import { errorCode } from '../failure.ts';
import type { AlertRecord } from '../model.ts';

/** Someone who is told of alerts. */
export interface AlertReceiver {
  /** Safe to be written down: no path, no user, no further words. */
  readonly name: string;
  /** Rejects with an Error whose message goes on from the name; settles soon after the signal. */
  readonly deliver: (alert: AlertRecord, signal: AbortSignal) => Promise<void>;
}

/**
 * Posts the alert as JSON. The address must be a valid http or https one.
 * By node:http, not fetch: fetch blocks for 60 ms when it is first used, takes 8 MB, and a connection that nobody answers keeps
 * the process for 10 s after the request was given up (http: at once; each measured on Node 20).
 */
export function webhookReceiver(address: string): AlertReceiver {
  const url = new URL(address);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'claude-pm-memory',
  };
  if (url.username !== '' || url.password !== '') {
    const user = unescaped(`${url.username}:${url.password}`);
    headers['authorization'] = `Basic ${user.toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  const loaded = url.protocol === 'https:' ? import('node:https') : import('node:http');
  return {
    name: `webhook ${url.origin}`,
    deliver: async (alert, signal) => {
      const { request } = await loaded;
      if (signal.aborted) throw new Error('did not answer in time');
      await answerOf(request(url, { method: 'POST', headers, agent: false }), JSON.stringify(alert), signal);
    },
  };
}

function unescaped(text: string): Buffer {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

function answerOf(request: ClientRequest, body: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | undefined = new Error('did not answer');
    const giveUp = (): void => {
      failure = new Error('did not answer in time');
      request.destroy();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    // Texts of errors may hold the address, so only the code is told.
    request.on('error', (error) => {
      if (signal.aborted) return;
      failure = new Error(`cannot be reached (${errorCode(error) ?? 'no code'})`, { cause: error });
    });
    request.once('response', (response) => {
      const status = response.statusCode ?? 0;
      failure = status >= 200 && status < 300 ? undefined : new Error(`answered ${status}`);
      // The status is all that counts; an answer that never ends would keep its connection.
      response.destroy();
    });
    request.once('close', () => {
      signal.removeEventListener('abort', giveUp);
      if (failure === undefined) resolve();
      else reject(failure);
    });
    request.end(body);
  });
}

/** Starts the command with the alert as JSON on stdin, in a process group of its own that is killed at the signal. */
export function commandReceiver(
  words: readonly string[],
  place: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): AlertReceiver {
  const [program = '', ...args] = words;
  return {
    name: `command ${program}`,
    deliver: async (alert, signal) => {
      const child = spawn(program, args, {
        cwd: place.cwd,
        env: {
          ...place.env,
          CLAUDE_PM_ALERT_LEVEL: alert.level,
          CLAUDE_PM_ALERT_SUBPROCESS: alert.subprocess_id,
          CLAUDE_PM_ALERT_MESSAGE: alert.message,
        },
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      // It may end, or never begin, without reading a word.
      child.stdin.on('error', () => undefined);
      child.stdin.end(`${JSON.stringify(alert)}\n`);
      try {
        await endOf(child, signal);
      } finally {
        child.stdin.destroy();
        child.unref();
      }
    },
  };
}

function endOf(child: ChildProcess, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`cannot be started (${errorCode(error) ?? 'no code'})`)));
    child.once('exit', (code, by) => {
      if (code === 0) resolve();
      else reject(new Error(by === null ? `ended with exit code ${code}` : `was ended by ${by}`));
    });
    const giveUp = (): void => {
      killGroup(child);
      reject(new Error('did not end in time and was killed'));
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}

/** Until its exit is known its pid cannot be given to a stranger; after that nobody may be signalled by it. */
function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH' && errorCode(error) !== 'EPERM') throw error;
  }
}
