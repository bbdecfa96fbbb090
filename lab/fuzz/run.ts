import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { temporaryFolder } from "../../test/processes/processes.ts";
import { median, percentile } from "../shared/percentiles.ts";
import type { Counts } from "./counts.ts";
import { honestNames, type HonestPair, type HonestResult, startHonestPair } from "./honest-pair.ts";
import { startHonestFiles } from "./http/honest-files.ts";
import { type HttpCounts, runHttpSlot } from "./http/slot.ts";
import { Known } from "./known.ts";
import { Memory } from "./memory.ts";
import { RelayProcess } from "./relay-process.ts";
import { runSlot } from "./slot.ts";
import { checkStore } from "./store-check.ts";
import { Violation } from "./violation.ts";

export interface FuzzOptions {
  frames: number;
  seed: number;
  connections: number;
  /** Told of what was done, now and then. */
  progress: (text: string) => void;
}

export interface FuzzReport {
  seed: number;
  seconds: number;
  counts: Counts;
  /** The same of requests for files. */
  http: HttpCounts;
  /** Files of somebody who keeps to the rules, each of which was what it should be. */
  files: number;
  /** Milliseconds from send to receipt of the honest pair, by tenths of the run. */
  latency: { p50: number; p99: number; count: number }[];
  honest: HonestResult;
  /** Median MiB of the relay by quarters of the run. */
  memory: number[];
  /** Refusals by reason, as the relay has counted them. */
  refusals: Record<string, number>;
}

const TENTHS = 10;
const LOOK_MS = 50;
const LATE_MS = 300;
/** Frames for each request for a file, and connections for each that sends such. */
const FRAMES_A_REQUEST = 10;
const CONNECTIONS_A_SLOT = 4;
/** Frames before which the relay's caches still fill up. */
const FLAT_FROM = 500_000;

/** Sends frames until there were enough. @throws Violation the first thing that must not be */
export async function fuzz({ frames, seed, connections, progress }: FuzzOptions): Promise<FuzzReport> {
  using folder = temporaryFolder();
  await using parts = new AsyncDisposableStack();
  const stop = new AbortController();
  const failed = Promise.withResolvers<never>();
  const violations: Violation[] = [];
  const fail = (violation: Violation): void => {
    violations.push(violation);
    stop.abort();
    // What a relay says that ends comes after the ends of its connections.
    setTimeout(() => failed.reject(first(violations)), LATE_MS);
  };
  failed.promise.catch(() => {});

  const relay = parts.use(await RelayProcess.start(folder.path, fail));
  const before = relay.sockets ?? 0;
  const honest = parts.use(await startHonestPair(relay.port, join(folder.path, "agents")));
  await honest.ready();
  const files = await startHonestFiles(relay.port, seed, fail);
  const http: HttpCounts = { requests: 0, compared: 0, statuses: {} };
  const counts: Counts = { frames: 0, readable: 0, plausible: 0, opened: 0, kinds: {} };
  const done = (): number => counts.frames / frames;
  const memory = parts.use(new Memory(() => relay.residentBytes, done));
  const known = new Known(relay.port, honestNames);
  const started = performance.now();

  const slots = Array.from({ length: connections }, (_, slot) => {
    const own = Math.floor((frames * (slot + 1)) / connections) - Math.floor((frames * slot) / connections);
    return runSlot({ port: relay.port, seed, slot, frames: own, known, counts, fail, signal: stop.signal });
  });
  const httpSlots = Array.from(
    { length: Math.ceil(connections / CONNECTIONS_A_SLOT) },
    (_, slot, all = connections) => {
      const requests = Math.ceil((frames * CONNECTIONS_A_SLOT) / FRAMES_A_REQUEST / all);
      return runHttpSlot({ port: relay.port, seed, slot, requests, counts: http, fail, signal: stop.signal });
    },
  );
  const latency: FuzzReport["latency"] = [];
  const all = Promise.all([...slots, ...httpSlots]);
  const measured = measure(honest, done, latency, stop.signal, () => progress(`${counts.frames} frames`));
  await Promise.race([Promise.all([all, measured]), failed.promise]);
  // Whoever was stopped by a violation has ended, too.
  if (stop.signal.aborted) await failed.promise;
  const seconds = (performance.now() - started) / 1000;

  const brought = await Promise.race([files.stop(), failed.promise]);
  const result = await Promise.race([honest.stop(), failed.promise]);
  if (result.wrong.length > 0 || result.stored < result.sent || result.received < result.sent)
    throw new Violation(`the honest pair: ${JSON.stringify(result).slice(0, 2000)}`);
  known.teams.check();
  await untilNobodyIsLeft(relay, before);
  const metrics = await relay.metrics();
  await Promise.race([relay.stop(), failed.promise]);
  checkStore(folder.path);
  if (frames >= FLAT_FROM) memory.check();
  return {
    seed,
    seconds,
    counts,
    http,
    files: brought,
    latency,
    honest: result,
    memory: memory.quarters,
    refusals: refusalsOf(metrics),
  };
}

/** The one that explains most: what the relay itself says. */
function first(violations: Violation[]): Violation {
  return violations.find(({ message }) => message.startsWith("the relay")) ?? (violations[0] as Violation);
}

/** Asks the honest pair at the end of each tenth. */
async function measure(
  honest: HonestPair,
  done: () => number,
  latency: FuzzReport["latency"],
  signal: AbortSignal,
  progress: () => void,
): Promise<void> {
  await honest.mark();
  while (latency.length < TENTHS && !signal.aborted) {
    await delay(LOOK_MS);
    if (done() < (latency.length + 1) / TENTHS) continue;
    const values = await honest.mark();
    latency.push({ p50: median(values), p99: percentile(values, 0.99), count: values.length });
    progress();
  }
}

/** Of connections that are closed the relay must keep nothing. @param before Sockets that were open when there was nobody */
async function untilNobodyIsLeft(relay: RelayProcess, before: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const count = (await relay.metrics()).get("aimessage_connections");
    const sockets = relay.sockets ?? 0;
    // One is that of the question.
    if (count === 0 && sockets <= before + 1) return;
    if (attempt > 200)
      throw new Violation(`${count} connections and ${sockets - before} sockets are open, and nobody is there`);
    await delay(LOOK_MS);
  }
}

function refusalsOf(metrics: Map<string, number>): Record<string, number> {
  const refusals = [...metrics].flatMap(([name, count]) => {
    const reason = /^aimessage_refusals_total\{reason="(\w+)"\}$/.exec(name)?.[1];
    return reason === undefined ? [] : [[reason, count] as const];
  });
  return Object.fromEntries(refusals.sort(([, a], [, b]) => b - a));
}
