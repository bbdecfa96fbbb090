import { setTimeout as delay } from "node:timers/promises";
import { clientFrames, wireErrors } from "@aimessage/sdk/protocol";
import type { BlobTotals } from "./store/blob-rows.ts";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  connections: { inc(): void; dec(): void };
  stored: { inc(count: number): void };
  delivered: { inc(count: number): void };
  expired: { inc(count: number): void };
  committed(milliseconds: number): void;
  frame(type: string | undefined): void;
  refused(reason: string): void;
  /** A line of the log could not be written. */
  logLineLost(): void;
  /** A connection was refused, since no more can be open. */
  noRoom(): void;
  /** A socket, a WebSocket among them, gave way to another one, or was one too many of its address. */
  crowdedOut(): void;
  /** The text of `GET /metrics`. */
  text(): Promise<string>;
  contentType: string;
}

/** Whoever collects metrics waits for ten seconds, mostly. Milliseconds. */
const ASKED_MS = 2_000;

/** Prometheus metrics. Labels are words of ours only: nothing that a client chooses. */
export function createMetrics(depth: () => Promise<number>, files: () => Promise<BlobTotals>): Metrics {
  const registers = [new Registry()];
  const counter = (rest: string, help: string): Counter => new Counter({ name: `aimessage_${rest}`, help, registers });
  const frames = new Counter({
    name: "aimessage_frames_total",
    help: "Frames from clients, by type",
    labelNames: ["type"],
    registers,
  });
  const refusals = new Counter({
    name: "aimessage_refusals_total",
    help: "Requests that were refused, by reason",
    labelNames: ["reason"],
    registers,
  });
  // The first of a kind is an increase, too.
  for (const reason of Object.keys(wireErrors)) refusals.labels(reason).inc(0);
  const latency = new Histogram({
    name: "aimessage_commit_seconds",
    help: "Time that a commit to disk took",
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
    registers,
  });
  /** What cannot be asked now, or takes too long, is left out: all else is wanted most when something is wrong. */
  const asked = (name: string, help: string, ask: () => Promise<number>): void =>
    void new Gauge({
      name: `aimessage_${name}`,
      help,
      registers,
      async collect() {
        const value = await Promise.race([ask(), delay(ASKED_MS, undefined, { ref: false })]).catch(() => undefined);
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  asked("mailbox_entries", "Entries that wait in all mailboxes", depth);
  const ofFiles: [name: string, help: string, pick: (totals: BlobTotals) => number][] = [
    ["blobs", "Encrypted files that are kept, and that are to come", ({ count }) => count],
    ["blob_bytes", "Bytes that are kept for encrypted files", ({ bytes }) => bytes],
    ["blob_bytes_awaited", "Those of them that have not come", ({ awaited }) => awaited],
  ];
  // All of them are asked for at once: by one question.
  let asking: Promise<BlobTotals> | undefined;
  const totals = (): Promise<BlobTotals> => (asking ??= files().finally(() => (asking = undefined)));
  for (const [name, help, pick] of ofFiles) asked(name, help, async () => pick(await totals()));
  const logLinesLost = counter("log_lines_lost_total", "Lines of the log that could not be written");
  const noRoom = counter("connections_without_room_total", "Connections that were refused: no more can be open");
  const crowdedOut = counter(
    "sockets_crowded_out_total",
    "Sockets that gave way to others, or were one too many of their address",
  );
  const byType = new Map<string, { inc(): void }>();
  for (const type of [...Object.keys(clientFrames), "unknown"]) byType.set(type, frames.labels(type));
  const unknown = frames.labels("unknown");
  const registry = registers[0] as Registry;
  return {
    connections: new Gauge({ name: "aimessage_connections", help: "Open connections", registers }),
    stored: counter("stored_total", "Entries stored in mailboxes"),
    delivered: counter("delivered_total", "Entries that their recipients have acknowledged"),
    expired: counter("expired_total", "Entries that expired"),
    committed: (milliseconds) => latency.observe(milliseconds / 1000),
    frame: (type) => (byType.get(type ?? "") ?? unknown).inc(),
    refused: (reason) => refusals.inc({ reason }),
    logLineLost: () => logLinesLost.inc(),
    noRoom: () => noRoom.inc(),
    crowdedOut: () => crowdedOut.inc(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
