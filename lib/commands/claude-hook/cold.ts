/** What does a hook need so rarely that it must not cost anything until then? In the bundle each of these is a text that is only parsed when it is asked for. */

import type * as Cli from '../../cli.ts';
import type * as History from '../../state/history.ts';
import type * as Refresh from './refresh.ts';

export function loadRefresh(): Promise<typeof Refresh> {
  return import('./refresh.ts');
}

export function loadHistory(): Promise<typeof History> {
  return import('../../state/history.ts');
}

export function loadCli(): Promise<typeof Cli> {
  return import('../../cli.ts');
}
