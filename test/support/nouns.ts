/** What do the nouns look like in a test? Whole values of which a test names only what it is about. */
import type {
  AttemptResult,
  Lease,
  MemoryBound,
  MemorySnapshot,
  ProcessIdentity,
  Stream,
} from '../../lib/model.ts';
import type { PastAttempt } from '../../lib/history-model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import type { PlannedStream } from '../../lib/run-model.ts';
import type { CheckedLease } from '../../lib/policy/charge.ts';
import { GIB, MIB } from '../../lib/units.ts';

type SettingsChange = Partial<Omit<Settings, 'admission'>> & { admission?: Partial<Settings['admission']> };

/** Four agents of 2 GB on 16 GB, 2 GB for the coordinator, a floor of 1 GB, nothing else kept free. */
export function someSettings({ admission, ...change }: SettingsChange = {}): Settings {
  return {
    profile: 'auto',
    enabled: true,
    maxConcurrentAgents: 4,
    memoryPerAgentBytes: 2 * GIB,
    totalMemoryLimitBytes: 16 * GIB,
    coordinatorMemoryBytes: 2 * GIB,
    monitoringEnabled: true,
    cleanupTimeoutMs: 1000,
    retryOnMemoryLimit: true,
    coordinatorHeapMb: 2048,
    agentHeapMb: 1536,
    gcExposure: true,
    optimizeForSize: true,
    thresholds: {
      warningBytes: 512 * MIB,
      criticalBytes: GIB,
      maxBytes: 2 * GIB,
      sampleIntervalMs: 2000,
      abort: true,
      kernelCeiling: 'off',
    },
    subprocess: {
      enabled: false,
      warnBytes: 500 * MIB,
      limitBytes: 1000 * MIB,
      aggregateBytes: 2000 * MIB,
    },
    pressure: { warningShare: 0.7, criticalShare: 0.85, cooldownMs: 60_000, handlers: [] },
    promptCache: {
      ttlMs: 300_000,
      maxBytes: 50 * MIB,
      maxEntries: 500,
      evictShare: 0.8,
      sweepEveryMs: 60_000,
    },
    orchestrator: { agents: [], timeoutMs: 600_000, queue: 4 },
    circuitBreaker: {
      failures: 3,
      windowMs: 300_000,
      recoveryMs: 30_000,
      recoveryMostMs: 600_000,
      availableBytes: 0,
      probeMs: 300_000,
    },
    feedback: { estimator: 'p99', windowAttempts: 256, halfLifeAttempts: 64, leastAttempts: 10 },
    retry: {
      policy: 'auto',
      memoryAttempts: 3,
      crashAttempts: 1,
      timeoutAttempts: 1,
      backoffMs: 5000,
      backoffCapMs: 300_000,
    },
    alerts: { webhook: undefined, command: [], minLevel: 'warning', timeoutMs: 5000 },
    pool: {
      size: 4,
      idleMs: 300_000,
      cleanupMs: 60_000,
      uses: 50,
      growthBytes: 100 * MIB,
      pastFreshBytes: 300 * MIB,
    },
    gate: {
      whenFull: 'deny',
      waitMs: 0,
      onFailure: 'allow',
      unstartedMs: 120_000,
      bash: 'off',
      heavy: ['vitest', 'npm test'],
      toolJobs: 0,
    },
    agents: new Map(),
    ...change,
    admission: {
      floorBytes: GIB,
      safetyBytes: 0,
      sequentialBytes: 0,
      limitedBytes: 0,
      lookahead: 3,
      ageingMs: 60_000,
      leaseMs: 3_600_000,
      ...admission,
    },
  };
}

/** A machine with this much available, and cgroups inside it. */
export function someMemory(
  availableBytes: number,
  totalBytes: number = 16 * GIB,
  groups: readonly Omit<MemoryBound, 'kind'>[] = [],
): MemorySnapshot {
  const bounds: MemoryBound[] = [
    { kind: 'machine', name: 'machine', totalBytes, availableBytes },
    ...groups.map((group) => ({ kind: 'cgroup' as const, ...group })),
  ];
  const binding = bounds.reduce((least, bound) =>
    bound.availableBytes < least.availableBytes ? bound : least,
  );
  return {
    atMs: 0,
    totalBytes: Math.min(...bounds.map((bound) => bound.totalBytes)),
    availableBytes: binding.availableBytes,
    binding,
    bounds,
    swapTotalBytes: undefined,
    swapFreeBytes: undefined,
    pressure: undefined,
  };
}

export function someProcess(pid: number, change: Partial<ProcessIdentity> = {}): ProcessIdentity {
  return { bootId: 'boot', pidNamespace: '4026531836', pid, startTicks: 1000 + pid, ...change };
}

let leases = 0;

/** A running agent of 1 GB with a process of its own. */
export function someLease(change: Partial<Lease> = {}): Lease {
  leases += 1;
  return {
    id: `lease-${leases}`,
    role: 'agent',
    owner: someProcess(100_000 + leases),
    runner: undefined,
    project: '/project',
    epic: 'shop',
    key: `shop/1/S${leases}`,
    kind: 'worker',
    estimateBytes: GIB,
    limitBytes: undefined,
    heapMb: undefined,
    baseBytes: 0,
    sinceMs: 0,
    expiresMs: undefined,
    renewedMs: 0,
    state: 'running',
    peakBytes: undefined,
    ...change,
  };
}

/** A live lease whose tree holds this much. */
export function someChecked(change: Partial<Lease> = {}, treeBytes?: number): CheckedLease {
  return { lease: someLease(change), life: 'live', treeBytes };
}

/** Stream `shop/1/ID` that runs `true`; dependencies and conflicts are named by their ids. */
export function someStream(
  id: string,
  {
    after = [],
    apart = [],
    ...change
  }: Partial<Stream> & { after?: readonly string[]; apart?: readonly string[] } = {},
): Stream {
  const key = (name: string): string => `shop/1/${name}`;
  return {
    key: key(id),
    epic: 'shop',
    issue: '1',
    id,
    title: `Work ${id}`,
    kind: 'worker',
    command: ['true'],
    prompt: undefined,
    cwd: undefined,
    env: {},
    dependsOn: after.map(key),
    conflictsWith: apart.map(key),
    estimateBytes: undefined,
    limitBytes: undefined,
    heapMb: undefined,
    expectedMs: undefined,
    source: 'streams.yaml:1',
    ...change,
  };
}

export function somePlanned(stream: Stream, change: Partial<PlannedStream> = {}): PlannedStream {
  return {
    stream,
    estimateBytes: GIB,
    limitBytes: 2 * GIB,
    heapMb: undefined,
    estimateFrom: 'stream',
    tool: 'agent',
    configuredBytes: GIB,
    configuredFrom: 'stream',
    expectedMs: undefined,
    isDone: false,
    impossible: undefined,
    ...change,
  };
}

/** An attempt that was done in ten seconds, at half of its gigabyte. */
export function someResult(key: string, change: Partial<AttemptResult> = {}): AttemptResult {
  return {
    key,
    attempt: 1,
    outcome: 'done',
    exitCode: 0,
    signal: undefined,
    startedMs: 0,
    endedMs: 10_000,
    estimateBytes: GIB,
    limitBytes: 2 * GIB,
    heapMb: undefined,
    peakBytes: GIB / 2,
    peakKind: 'rss',
    averageBytes: GIB / 4,
    samples: 10,
    reason: 'exit 0',
    ...change,
  };
}

/** A past attempt that ended well on this machine class. */
export function somePast(change: Partial<PastAttempt> = {}): PastAttempt {
  return {
    key: 'shop/1/A',
    kind: 'tester',
    command: 'node test.mjs',
    label: undefined,
    cause: 'done',
    estimateBytes: GIB,
    limitBytes: 2 * GIB,
    heapMb: undefined,
    peakBytes: 300 * MIB,
    peakKind: 'pss',
    isCensored: false,
    averageBytes: 200 * MIB,
    peakAfterMs: 8000,
    profile: [
      { untilMs: 5000, bytes: 100 * MIB },
      { untilMs: 10_000, bytes: 300 * MIB },
    ],
    endedMs: 1_000_000,
    durationMs: 10_000,
    machine: 'x64 4K 2 cores',
    ...change,
  };
}
