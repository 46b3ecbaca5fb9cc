/**
 * Does the memory gate hold in the real client? `npm run test:client`, with `claude` in PATH or CLAUDE_BIN=/path/to/claude.
 * The client runs against a stand-in API on loopback, with a home of its own and no key; as root without any other network.
 * Without a client it says so, claims nothing and exits 0.
 */
import { spawnSync } from 'node:child_process';
import { findClient, openScene } from './client/scene.ts';
import { CLAIMS } from './client/claims.ts';
import { WAYS } from './client/claims-ways.ts';

/** Three agents of 256 MB fit, a fourth does not, whatever the machine. */
const THREE_FIT = `memory_management:
  memory_per_agent_gb: 0.25
  total_memory_limit_gb: 0.95
  coordinator_memory_gb: 0
admission:
  floor_mb: 1
  safety_mb: 0
  limited_mb: 0
  sequential_mb: 0
gate:
  wait: 10
`;

function isAlone(): boolean {
  return process.env['CLAUDE_PM_TEST_ALONE'] === '1';
}

/** A network namespace with nothing but loopback takes root. */
function canBeAlone(): boolean {
  return spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up'], { stdio: 'ignore' }).status === 0;
}

async function testAll(path: string): Promise<void> {
  const version = spawnSync(path, ['--version'], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent' },
  });
  console.log(`client ${path} ${version.stdout.trim()}${isAlone() ? ', without network' : ''}`);
  let failed = 0;
  const only = process.argv.slice(2);
  const chosen = [...CLAIMS, ...WAYS].filter(
    ({ name }) => only.length === 0 || only.some((word) => name.includes(word)),
  );
  if (chosen.length === 0) throw new Error(`nothing is called so: ${only.join(', ')}`);
  for (const { name, run } of chosen) {
    const scene = await openScene(path, THREE_FIT);
    try {
      await run(scene, (what, found, isSo) => {
        if (!isSo) failed += 1;
        console.log(
          `${isSo ? 'ok  ' : 'FAIL'} ${name}: ${what}${isSo ? '' : `, found ${JSON.stringify(found)}`}`,
        );
      });
    } finally {
      scene.close();
    }
  }
  console.log(failed === 0 ? 'all held' : `${failed} did not hold`);
  process.exitCode = failed === 0 ? 0 : 1;
}

const client = findClient(process.env);
if (client === undefined) {
  console.log('no client here: put `claude` into PATH or set CLAUDE_BIN; nothing was tested');
} else if (!isAlone() && canBeAlone()) {
  const inside = `ip link set lo up && exec "$0" "$@"`;
  const run = spawnSync(
    'unshare',
    ['-n', 'sh', '-c', inside, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: 'inherit',
      env: { ...process.env, CLAUDE_BIN: client, CLAUDE_PM_TEST_ALONE: '1' },
    },
  );
  process.exitCode = run.status ?? 1;
} else await testAll(client);
