// How does `optimize_for_size` become real? Node refuses --optimize-for-size in NODE_OPTIONS but allows --require, and a
// flag of V8 may still be set here: the heap then grows by half of what lives in it, not by a multiple. In an
// allocation-bound program that is half to two thirds of the peak memory for 1.3 to 1.4 times the CPU (bench/frugal.ts).
// Loaded into every Node below an agent, so it may never print and never fail; other runtimes leave it without effect.
'use strict';
try {
  if (!process.versions.bun && require('worker_threads').isMainThread) {
    require('v8').setFlagsFromString('--heap-growing-percent=50');
  }
} catch {
  // A runtime without this switch keeps its own pace.
}
