/** What happens in a run, as lines: for pipes and logs, and (as JSON) for programs. */
import type { RunEvent } from '../run-model.ts';
import { formatBytes, formatDuration } from '../units.ts';
import { oneLine } from './answer.ts';

/** One line for a pipe; undefined for what only the table shows. */
export function eventLine(event: RunEvent): string {
  return `${clock(event.atMs)} ${oneLine(text(event))}`;
}

/** One JSON line. */
export function eventJson(event: RunEvent): string {
  return JSON.stringify(event);
}

function text(event: RunEvent): string {
  switch (event.event) {
    case 'start': {
      const limit = event.limitBytes === undefined ? 'no limit' : `limit ${formatBytes(event.limitBytes)}`;
      const warning = event.warning === undefined ? '' : `; ${event.warning}`;
      const again = event.attempt === 1 ? '' : ` attempt ${event.attempt}`;
      return `start ${event.key}${again} pid ${event.pid}, estimate ${formatBytes(event.estimateBytes)}, ${limit}${warning}`;
    }
    case 'wait':
      return `wait ${event.key}: ${event.reason}`;
    case 'level':
      return `${event.level} ${event.key}: ${event.message}`;
    case 'stopping':
      return `stop ${event.key}: ${event.reason}${event.evidence === undefined ? '' : `; evidence in ${event.evidence}`}`;
    case 'end': {
      const { result } = event;
      const peak =
        result.peakBytes === undefined
          ? 'too short to measure'
          : `peak ${formatBytes(result.peakBytes)} of ${formatBytes(result.estimateBytes)}`;
      return `${result.outcome} ${result.key} after ${formatDuration(result.endedMs - result.startedMs)}, ${peak}${result.outcome === 'done' ? '' : `; ${result.reason}`}`;
    }
    case 'retry':
      return `retry ${event.key} attempt ${event.attempt} in ${formatDuration(event.afterMs)}: ${event.reason}`;
    case 'remains':
      return `remains ${event.key}: ${event.processes} processes outlived it; ending them`;
    case 'skip':
      return `skip ${event.key}: ${event.reason}`;
    case 'mode':
      return `mode ${event.mode}: ${event.reason}; it was ${event.before}`;
    case 'note':
      return `note ${event.text}`;
    case 'interrupt':
      return `${event.signal}: nothing more starts, ${event.running} agents are being ended; once more ends them at once`;
  }
}

/** Time of day, local. */
function clock(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8);
}
