/** What hardware is this? */

/** Facts about the machine that do not change while it runs. */
export interface Hardware {
  /** Logical processors. */
  readonly cores: number;
  readonly physicalCores: number | undefined;
  /** The processor's name; undefined where the machine does not tell it. */
  readonly model: string | undefined;
  /** Without regard to cgroups, which systeminformation does not see. */
  readonly totalBytes: number;
}

/** What of systeminformation's answers is used. */
export interface SystemProcessor {
  readonly manufacturer: string;
  readonly brand: string;
  readonly cores: number;
  readonly physicalCores: number;
}

/** Asks systeminformation, which is loaded only now; it starts programs such as lscpu and takes some 100 ms. */
export async function readHardware(): Promise<Hardware> {
  const { default: systeminformation } = await import('systeminformation');
  const [processor, memory] = await Promise.all([systeminformation.cpu(), systeminformation.mem()]);
  return hardwareFromSystemInformation(processor, memory.total);
}

/** Empty names and zero counts, which stand for "unknown" there, become undefined. */
export function hardwareFromSystemInformation(processor: SystemProcessor, totalBytes: number): Hardware {
  return {
    cores: processor.cores,
    physicalCores: processor.physicalCores > 0 ? processor.physicalCores : undefined,
    model: [processor.manufacturer, processor.brand].join(' ').trim() || undefined,
    totalBytes,
  };
}
